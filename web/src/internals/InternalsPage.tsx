import { useParams } from '@tanstack/react-router';
import { IoPart } from './IoPart';

/** What looks into PostgreSQL's own works, one part at a time: each reads only what it shows. */
export function InternalsPage() {
  const { instanceId } = useParams({ from: '/signed-in/instances/$instanceId/internals' });
  return <IoPart instanceId={instanceId} />;
}
