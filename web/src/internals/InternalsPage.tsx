import { useParams } from '@tanstack/react-router';
import type { ComponentType } from 'react';
import { useUrl } from '../time/useTime';
import { FunctionsPart } from './FunctionsPart';
import { IoPart } from './IoPart';
import type { PartProps } from './parts';
import { PgbouncerPart } from './PgbouncerPart';
import { SchemaPart } from './SchemaPart';

const PARTS: Partial<Record<string, ComponentType<PartProps>>> = { functions: FunctionsPart, schema: SchemaPart, pgbouncer: PgbouncerPart };

/** What looks into PostgreSQL's own works, one part at a time: each reads only what it shows. */
export function InternalsPage() {
  const { instanceId } = useParams({ from: '/signed-in/instances/$instanceId/internals' });
  const { part } = useUrl();
  const Part = PARTS[part ?? ''] ?? IoPart;
  return <Part instanceId={instanceId} />;
}
