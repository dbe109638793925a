import { Link } from '@tanstack/react-router';
import { Foreign } from '../format/Foreign';
import { keepTime, type Search } from '../shell/search';

/** The way from any list to an instance; range and zone come along. */
export function InstanceLink({ instance, focusable = false }: { instance: { id: number; name: string }; focusable?: boolean }) {
  return (
    <Link
      to="/instances/$instanceId/overview"
      params={{ instanceId: String(instance.id) }}
      search={(old: Search) => keepTime(old)}
      tabIndex={focusable ? undefined : -1}
      data-hint={instance.name}
    >
      <Foreign text={instance.name} />
    </Link>
  );
}
