import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from '@tanstack/react-router';
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
    throw redirect({ to: '/instances/$instanceId/queries', params, search: keepTime(search), replace: true });
  },
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
  component: lazyRouteComponent(() => import('../query/QueryPage'), 'QueryPage'),
});
const databases = createRoute({
  getParentRoute: () => signedIn,
  path: '/instances/$instanceId/databases',
  component: DatabasesPage,
});
const replication = createRoute({
  getParentRoute: () => signedIn,
  path: '/instances/$instanceId/replication',
  component: lazyRouteComponent(() => import('../replication/ReplicationPage'), 'ReplicationPage'),
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
const settings = createRoute({
  getParentRoute: () => signedIn,
  path: '/instances/$instanceId/settings',
  component: SettingsPage,
});

export const router = createRouter({
  routeTree: root.addChildren([signIn, signedIn.addChildren([fleet, instance, queries, query, databases, replication, tables, indexes, settings])]),
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
