// Short names for the shapes of the admin API. `schema.d.ts` is generated: `npm run api`.
import type { components } from "./schema";

type Schemas = components["schemas"];

export type Attempt = Schemas["Attempt"];
export type Bucket = Schemas["Bucket"];
export type ByOutcome = Schemas["ByOutcome"];
export type CodeFacts = Schemas["CodeFacts"];
export type CodePage = Schemas["CodePage"];
export type Credential = Schemas["CredentialView"];
export type Drain = Schemas["Drain"];
export type Guard = Schemas["Guard"];
export type Incident = Schemas["Incident"];
export type IncidentDetail = Schemas["IncidentDetail"];
export type Maintenance = Schemas["MaintenanceView"];
export type Models = Schemas["Models"];
export type NotKept = Schemas["NotKept"];
export type Outcome = Schemas["Outcome"];
export type Phases = Schemas["Phases"];
export type Problem = Schemas["Problem"];
export type Provider = Schemas["ProviderView"];
export type Providers = Schemas["Providers"];
export type CallDetail = Schemas["RequestDetail"];
export type CallPage = Schemas["RequestPage"];
export type Call = Schemas["Request"];
export type RunningCall = Schemas["RunningCall"];
export type Seen = Schemas["Seen"];
export type Slice = Schemas["Slice"];
export type Snippets = Schemas["Snippets"];
export type Status = Schemas["Status"];
export type Summary = Schemas["Summary"];
export type Upstream = Schemas["UpstreamView"];
