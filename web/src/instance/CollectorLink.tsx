import { Link } from '@tanstack/react-router';
import type { InstanceDetail } from '../api/model';
import { Foreign } from '../format/Foreign';
import { useSession } from '../session/session';
import { keepTime, type Search } from '../shell/search';

/** The collector that reads an instance, for whoever may configure it. */
export function CollectorLink({ collector }: { collector: InstanceDetail['collector'] }) {
  const session = useSession();
  if (collector == null || collector.status === 'deleted' || session.state !== 'in' || session.user.role !== 'admin') return null;
  return (
    <Link to="/collectors/$collectorId" params={{ collectorId: collector.id }} search={(old: Search) => keepTime(old)}>
      Collector <Foreign text={collector.name} />
    </Link>
  );
}
