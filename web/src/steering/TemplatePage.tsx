import { Link, useParams } from '@tanstack/react-router';
import type { TemplateVersion, TemplateVersions } from '../api/model';
import { useReads } from '../api/useReads';
import { Foreign } from '../format/Foreign';
import { ReadProblem } from '../notices/ReadProblem';
import { PageFrame } from '../shell/PageFrame';
import { keepTime, type Search } from '../shell/search';
import { useTime } from '../time/useTime';
import { exactMoment } from '../time/zone';
import { Diff } from './Diff';
import { labelsText } from './steering';
import styles from './steering.module.css';
import { TemplateEditor } from './TemplateEditor';

const REFRESH_S = 10;

function heading(newest: TemplateVersion): string {
  if (newest.is_deleted) return `${newest.name} was removed`;
  const labels = labelsText(newest.selector);
  return `${newest.name} is for ${labels === '' ? 'all collectors' : `collectors with ${labels}`}`;
}

/** One template, and what was changed of it. */
export function TemplatePage() {
  const { templateName = '' } = useParams({ strict: false });
  const { zone } = useTime();
  const path = `/config-templates/${encodeURIComponent(templateName)}/versions`;
  const page = useReads<{ versions: TemplateVersions }>(['template', templateName], () => ({ versions: path }), () => REFRESH_S);
  const read = page.reads?.versions;
  const versions = read?.data?.data ?? [];
  const problem = read?.error ?? page.error;
  const newest = versions[0];
  const made = (one: TemplateVersion) => exactMoment(Date.parse(one.made_at), zone);
  return (
    <PageFrame
      title={newest === undefined ? 'Template' : heading(newest)}
      name={templateName}
      above={
        <nav className={styles.row} aria-label="Breadcrumb">
          <Link to="/collectors" search={(old: Search) => keepTime(old)}>
            Collectors
          </Link>
          <span aria-hidden="true">/</span>
          <Link to="/templates" search={(old: Search) => keepTime(old)}>
            Templates
          </Link>
          <span aria-hidden="true">/</span>
          <span>
            <Foreign text={templateName} />
          </span>
        </nav>
      }
    >
      {problem !== null && <ReadProblem what="the template" error={problem} shownAt={read?.at ?? 0} retry={page.retry} absent="No such template." />}
      {newest !== undefined && (
        <>
          <TemplateEditor key={newest.name} template={newest} saved={page.retry} />
          <section className={styles.section} aria-label="Versions">
            <h2>Versions</h2>
            <ol className={styles.versions}>
              {versions.map((one) => (
                <li key={one.version}>
                  <details>
                    <summary>
                      <Foreign text={`Version ${one.version}, ${made(one)}: ${one.made_by ?? 'the server'} ${one.is_deleted ? 'removed it' : 'wrote it'}, priority ${one.priority}, for ${labelsText(one.selector) || 'all collectors'}`} />
                    </summary>
                    <div>
                      <Diff text={one.diff} empty="Its text is the same as before." />
                    </div>
                  </details>
                </li>
              ))}
            </ol>
          </section>
        </>
      )}
    </PageFrame>
  );
}
