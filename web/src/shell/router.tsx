import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from '@tanstack/react-router';
import { CataloguePage } from '../catalogue/CataloguePage';
import { CoveragePage } from '../coverage/CoveragePage';
import { FleetPage } from '../fleet/FleetPage';
import { DatabasesPage } from '../instance/DatabasesPage';
import { SettingsPage } from '../instance/SettingsPage';
import { QueriesPage } from '../queries/QueriesPage';
import { IndexesPage } from '../relations/IndexesPage';
import { TablesPage } from '../relations/TablesPage';
import { SignInPage } from '../session/SignInPage';
import { Broken } from './Broken';
import { Frame } from './Frame';
import { NotFound } from './NotFound';
import { keepTime, parseSearch, stringifySearch, validSearch } from './search';

const root = createRootRoute({ validateSearch: validSearch, notFoundComponent: NotFound });

const signIn = createRoute({ getParentRoute: () => root, path: '/sign-in', component: SignInPage });
const signedIn = createRoute({ getParentRoute: () => root, id: 'signed-in', component: Frame });
const fleet = createRoute({ getParentRoute: () => signedIn, path: '/', component: FleetPage });

const instance = createRoute({
  getParentRoute: () => signedIn,
  path: '/instances/$instanceId',
  beforeLoad: ({ params, search }) => {
    throw redirect({ to: '/instances/$instanceId/overview', params, search: keepTime(search), replace: true });
  },
});
const overview = createRoute({
  getParentRoute: () => signedIn,
  path: '/instances/$instanceId/overview',
  component: lazyRouteComponent(() => import('../overview/OverviewPage'), 'OverviewPage'),
});
const queries = createRoute({
  getParentRoute: () => signedIn,
  path: '/instances/$instanceId/queries',
  component: QueriesPage,
});
const query = createRoute({
  getParentRoute: () => signedIn,
  path: '/instances/$instanceId/queries/$queryid',
  // Charts and their library come with the first page that has some.
  component: lazyRouteComponent(() => import('./chartPages'), 'QueryPage'),
});
const locks = createRoute({
  getParentRoute: () => signedIn,
  path: '/instances/$instanceId/locks',
  // The same library of charts.
  component: lazyRouteComponent(() => import('./chartPages'), 'LocksPage'),
});
const databases = createRoute({
  getParentRoute: () => signedIn,
  path: '/instances/$instanceId/databases',
  component: DatabasesPage,
});
const replication = createRoute({
  getParentRoute: () => signedIn,
  path: '/instances/$instanceId/replication',
  component: lazyRouteComponent(() => import('./chartPages'), 'ReplicationPage'),
});
const tables = createRoute({
  getParentRoute: () => signedIn,
  path: '/instances/$instanceId/tables',
  component: TablesPage,
});
const indexes = createRoute({
  getParentRoute: () => signedIn,
  path: '/instances/$instanceId/indexes',
  component: IndexesPage,
});
const internals = createRoute({
  getParentRoute: () => signedIn,
  path: '/instances/$instanceId/internals',
  component: lazyRouteComponent(() => import('./chartPages'), 'InternalsPage'),
});
const settings = createRoute({
  getParentRoute: () => signedIn,
  path: '/instances/$instanceId/settings',
  component: SettingsPage,
});
const coverage = createRoute({
  getParentRoute: () => signedIn,
  path: '/instances/$instanceId/coverage',
  component: CoveragePage,
});
const life = createRoute({
  getParentRoute: () => signedIn,
  path: '/instances/$instanceId/life',
  // Seldom looked at.
  component: lazyRouteComponent(() => import('./adminPages'), 'LifePage'),
});
const catalogue = createRoute({ getParentRoute: () => signedIn, path: '/catalogue', component: CataloguePage });

const store = createRoute({
  getParentRoute: () => signedIn,
  path: '/store',
  // Of administrators only.
  component: lazyRouteComponent(() => import('./adminPages'), 'StorePage'),
});

// Of administrators only.
const collectors = createRoute({
  getParentRoute: () => signedIn,
  path: '/collectors',
  component: lazyRouteComponent(() => import('./adminPages'), 'CollectorsPage'),
});
const configuration = createRoute({
  getParentRoute: () => signedIn,
  path: '/collectors/$collectorId',
  component: lazyRouteComponent(() => import('./adminPages'), 'ConfigurationPage'),
});
const templates = createRoute({
  getParentRoute: () => signedIn,
  path: '/templates',
  component: lazyRouteComponent(() => import('./adminPages'), 'TemplatesPage'),
});
const template = createRoute({
  getParentRoute: () => signedIn,
  path: '/templates/$templateName',
  component: lazyRouteComponent(() => import('./adminPages'), 'TemplatePage'),
});
const customSets = createRoute({
  getParentRoute: () => signedIn,
  path: '/custom-sets',
  component: lazyRouteComponent(() => import('./adminPages'), 'CustomSetsPage'),
});
const customSet = createRoute({
  getParentRoute: () => signedIn,
  path: '/custom-sets/$setName',
  component: lazyRouteComponent(() => import('./adminPages'), 'CustomSetPage'),
});
const ofCollectors = [collectors, configuration, templates, template, customSets, customSet];

const ofInstance = [instance, overview, queries, query, locks, databases, replication, tables, indexes, internals, settings, coverage, life];

export const router = createRouter({
  routeTree: root.addChildren([signIn, signedIn.addChildren([fleet, ...ofInstance, ...ofCollectors, catalogue, store])]),
  parseSearch,
  stringifySearch,
  defaultNotFoundComponent: NotFound,
  defaultErrorComponent: Broken,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
