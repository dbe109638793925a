import { createRootRoute, createRoute, createRouter, redirect } from '@tanstack/react-router';
import { FleetPage } from '../fleet/FleetPage';
import { SignInPage } from '../session/SignInPage';
import { Frame } from './Frame';
import { NotFound } from './NotFound';
import { parseSearch, stringifySearch, validSearch } from './search';

const root = createRootRoute({ validateSearch: validSearch, notFoundComponent: NotFound });

const signIn = createRoute({ getParentRoute: () => root, path: '/sign-in', component: SignInPage });
const signedIn = createRoute({ getParentRoute: () => root, id: 'signed-in', component: Frame });
const fleet = createRoute({ getParentRoute: () => signedIn, path: '/', component: FleetPage });

export const router = createRouter({
  routeTree: root.addChildren([signIn, signedIn.addChildren([fleet])]),
  parseSearch,
  stringifySearch,
  defaultNotFoundComponent: NotFound,
});
void redirect;

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
