// Short names for the shapes of the admin API. `schema.d.ts` is generated: `npm run api`.
import type { components } from "./schema";

type Schemas = components["schemas"];

export type Attempt = Schemas["Attempt"];
export type Bucket = Schemas["Bucket"];
export type ByOutcome = Schemas["ByOutcome"];
export type CodeFacts = Schemas["CodeFacts"];
export type CodePage = Schemas["CodePage"];
export type Incident = Schemas["Incident"];
export type IncidentDetail = Schemas["IncidentDetail"];
export type NotKept = Schemas["NotKept"];
export type Outcome = Schemas["Outcome"];
export type Phases = Schemas["Phases"];
export type Problem = Schemas["Problem"];
export type CallDetail = Schemas["RequestDetail"];
export type CallPage = Schemas["RequestPage"];
export type Call = Schemas["Request"];
export type RunningCall = Schemas["RunningCall"];
export type Snippets = Schemas["Snippets"];
export type Status = Schemas["Status"];
export type Summary = Schemas["Summary"];
