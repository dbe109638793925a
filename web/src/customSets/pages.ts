/** The pages of custom sets, loaded together. */
export { CustomSetPage } from './CustomSetPage';
export { CustomSetsPage } from './CustomSetsPage';
