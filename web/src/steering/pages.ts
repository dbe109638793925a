/** The pages of steering, loaded together. */
export { CollectorsPage } from './CollectorsPage';
export { ConfigurationPage } from './ConfigurationPage';
export { TemplatePage } from './TemplatePage';
export { TemplatesPage } from './TemplatesPage';
