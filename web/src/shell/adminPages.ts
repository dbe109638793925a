/** Pages of those who look after collectors, instances and the store, in one file, as those with charts are. */
export { CustomSetPage, CustomSetsPage } from '../customSets/pages';
export { LifePage } from '../life/LifePage';
export { CollectorsPage, ConfigurationPage, TemplatePage, TemplatesPage } from '../steering/pages';
export { StorePage } from '../store/StorePage';
