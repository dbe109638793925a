import { useReads } from '../api/useReads';
import type { Instance, Page } from '../api/model';

export function FleetPage() {
  const { reads } = useReads<{ instances: Page<Instance> }>(['fleet'], () => ({ instances: '/instances?page_size=100' }), () => 10);
  return <main><h1>Fleet</h1><ul>{reads?.instances.data?.data.map((i) => <li key={i.id}>{i.name}</li>)}</ul></main>;
}
