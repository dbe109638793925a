/** Pages with charts besides the overview, in one file: what they have in common is sent, and compressed, once. */
export { InternalsPage } from '../internals/InternalsPage';
export { LocksPage } from '../locks/LocksPage';
export { QueryPage } from '../query/QueryPage';
export { ReplicationPage } from '../replication/ReplicationPage';
