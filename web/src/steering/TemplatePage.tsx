import { useParams } from '@tanstack/react-router';
import { change } from '../api/client';
import type { TemplateChange, TemplateVersion, TemplateVersions } from '../api/model';
import { useReads } from '../api/useReads';
import { ReadProblem } from '../notices/ReadProblem';
import { Crumbs } from '../shell/Crumbs';
import { PageFrame } from '../shell/PageFrame';
import { madeFrom } from '../versioned/draft';
import { isTaken } from '../versioned/outcome';
import { Outcomes } from '../versioned/Outcomes';
import { VersionList } from '../versioned/VersionList';
import { COLLECTORS, TEMPLATES } from './crumbs';
import { labelsText } from './steering';
import { TemplateEditor, templatePath } from './TemplateEditor';

const REFRESH_S = 10;

function heading(newest: TemplateVersion): string {
  if (newest.is_deleted) return `${newest.name} was removed`;
  const labels = labelsText(newest.selector);
  return `${newest.name} is for ${labels === '' ? 'all collectors' : `collectors with ${labels}`}`;
}

const whatSentence = ({ is_deleted, priority, selector }: TemplateVersion, by: string) =>
  `${by} ${is_deleted ? 'removed it' : 'wrote it'}, priority ${priority}, for ${labelsText(selector) || 'all collectors'}`;

/** One template, and what was changed of it. */
export function TemplatePage() {
  const { templateName = '' } = useParams({ strict: false });
  const page = useReads<{ versions: TemplateVersions }>(['template', templateName], () => ({ versions: `${templatePath(templateName)}/versions` }), () => REFRESH_S);
  const read = page.reads?.versions;
  const versions = read?.data?.data ?? [];
  const problem = read?.error ?? page.error;
  const newest = versions[0];
  return (
    <PageFrame
      title={newest === undefined ? 'Template' : heading(newest)}
      name={templateName}
      above={<Crumbs above={[COLLECTORS, TEMPLATES]} here={templateName} />}
    >
      {problem !== null && <ReadProblem what="the template" error={problem} shownAt={read?.at ?? 0} retry={page.retry} absent="No such template." />}
      {newest !== undefined && (
        <>
          <TemplateEditor key={newest.name} template={newest} saved={page.retry} />
          <VersionList<TemplateVersion, TemplateChange>
            versions={versions}
            what={whatSentence}
            same="Its text is the same as before."
            restore={({ text, selector, priority }, check) =>
              change('PUT', templatePath(templateName) + check, { json: { text, selector, priority }, ...madeFrom(newest.is_deleted ? null : newest.etag) })
            }
            may={isTaken}
            shows={(change) => <Outcomes change={change} />}
            saved={page.retry}
          />
        </>
      )}
    </PageFrame>
  );
}
