// Which address shows which page. Pages are loaded when they are first asked for.
import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
} from "@tanstack/react-router";
import { readTab } from "../request/tabs";
import { parseAddress, readSearch, writeAddress } from "../requests/filters";
import { Missing } from "../shell/Missing";
import { Shell } from "../shell/Shell";
import { Trouble } from "../shell/Trouble";

const root = createRootRoute({ component: Shell, notFoundComponent: Missing });

const home = createRoute({
  getParentRoute: () => root,
  path: "/",
  beforeLoad: () => {
    throw redirect({ to: "/requests", replace: true });
  },
});

export const requestsRoute = createRoute({
  getParentRoute: () => root,
  path: "/requests",
  validateSearch: readSearch,
  component: lazyRouteComponent(() => import("../requests/RequestsPage"), "RequestsPage"),
});

export const requestRoute = createRoute({
  getParentRoute: () => root,
  path: "/requests/$id",
  validateSearch: readTab,
  component: lazyRouteComponent(() => import("../request/RequestPage"), "RequestPage"),
});

export const providersRoute = createRoute({
  getParentRoute: () => root,
  path: "/providers",
  validateSearch: (search: Record<string, unknown>): { show?: string } =>
    typeof search.show === "string" && search.show !== "" ? { show: search.show } : {},
  component: lazyRouteComponent(() => import("../providers/ProvidersPage"), "ProvidersPage"),
});

export const incidentsRoute = createRoute({
  getParentRoute: () => root,
  path: "/incidents",
  validateSearch: (search: Record<string, unknown>): { open?: true } =>
    search.open === true || search.open === "true" ? { open: true } : {},
  component: lazyRouteComponent(() => import("../incidents/IncidentsPage"), "IncidentsPage"),
});

export const incidentRoute = createRoute({
  getParentRoute: () => root,
  path: "/incidents/$id",
  component: lazyRouteComponent(() => import("../incidents/IncidentPage"), "IncidentPage"),
});

export const codesRoute = createRoute({
  getParentRoute: () => root,
  path: "/errors",
  component: lazyRouteComponent(() => import("../codes/CodesPage"), "CodesPage"),
});

export const codeRoute = createRoute({
  getParentRoute: () => root,
  path: "/errors/$code",
  component: lazyRouteComponent(() => import("../codes/CodePage"), "CodePage"),
});

export const router = createRouter({
  routeTree: root.addChildren([
    home,
    requestsRoute,
    requestRoute,
    providersRoute,
    incidentsRoute,
    incidentRoute,
    codesRoute,
    codeRoute,
  ]),
  basepath: "/ui",
  parseSearch: parseAddress,
  stringifySearch: writeAddress,
  defaultPreload: "intent",
  defaultPreloadDelay: 80,
  scrollRestoration: true,
  defaultErrorComponent: Trouble,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
