import { Link } from '@tanstack/react-router';
import { keepTime, type Search } from '../shell/search';

// A link to what is above is not one to this page.
const WHOLE = { exact: true };
const search = (old: Search) => keepTime(old);

/** What pages about collectors stand under. */
export const COLLECTORS = (
  <Link to="/collectors" search={search} activeOptions={WHOLE}>
    Collectors
  </Link>
);
export const TEMPLATES = (
  <Link to="/templates" search={search} activeOptions={WHOLE}>
    Templates
  </Link>
);
export const CUSTOM_SETS = (
  <Link to="/custom-sets" search={search} activeOptions={WHOLE}>
    Custom sets
  </Link>
);
