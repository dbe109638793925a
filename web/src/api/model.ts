/** The shapes of the API under the names that the pages use: aliases of what is generated, nothing of our own. */
import type { components } from './schema';

type Schemas = components['schemas'];

export type User = Schemas['User'];
export type SignedIn = Schemas['Session'];
export type BatchAnswers = Schemas['BatchAnswers'];

export type Grid = Schemas['Grid'];
/** One value per grid step; null is a step without a reading. */
export type Series = Schemas['Trend']['values'];
/** Column name to the reason why it has no value. */
export type Unmeasured = Schemas['Ranking']['unmeasured'];
export type FlaggedInterval = Schemas['FlaggedInterval'];
/** A part of a range in which nothing was read. */
export type Gap = Schemas['Gap'];
/** How much of a range was read. */
export type Covered = Schemas['Covered'];

export type Instances = Schemas['InstancePage'];
export type Instance = Schemas['Instance'];
export type InstanceDetail = Schemas['InstanceDetail'];
export type Watched = Schemas['Watched'];
export type InstanceLife = Schemas['InstanceLife'];
export type DeliveredAs = Schemas['DeliveredAs'];
export type LooksLike = Schemas['LooksLike'];
export type LifeChange = Schemas['LifeChange'];
export type HealthState = Schemas['HealthState'];

export type Ranking = Schemas['Ranking'];
export type RankingRow = Schemas['RankedStatement'];
export type OthersRow = Schemas['Others'];
export type StatementFigures = Schemas['Figures'];
export type Statement = Schemas['Statement'];
export type Timeline = Schemas['Timeline'];

export type Databases = Schemas['Databases'];
export type DatabaseRow = Schemas['Database'];
export type Replication = Schemas['Replication'];
export type Receiver = Schemas['Receiver'];
export type Standby = Schemas['Standby'];
export type Tables = Schemas['Tables'];
export type TableRow = Schemas['Table'];
export type Indexes = Schemas['Indexes'];
export type IndexRow = Schemas['Index'];
export type Unreadable = Schemas['Unreadable'];
export type WalReceiver = Schemas['WalReceiver'];
export type Slots = Schemas['Slots'];
export type Slot = Schemas['Slot'];
export type Wal = Schemas['Wal'];
export type Schema = Schemas['Schema'];
export type Changes = Schemas['Changes'];
export type Functions = Schemas['Functions'];
export type Io = Schemas['Io'];
export type LogicalReplication = Schemas['LogicalReplication'];
export type Wraparound = Schemas['Wraparound'];
export type DatabaseAge = Schemas['DatabaseAge'];
export type Activity = Schemas['ActiveSessions'];
export type Progress = Schemas['RunningCommands'];
export type RunningCommand = Schemas['RunningCommand'];
export type Waits = Schemas['Waits'];
export type Connections = Schemas['Connections'];
export type SessionSeries = Schemas['SessionSeries'];
export type Locks = Schemas['Locks'];
export type LockSession = Schemas['LockSession'];
export type Settings = Schemas['Settings'];
export type Setting = Schemas['Setting'];

export type Coverage = Schemas['Coverage'];
export type MeasuredSets = Schemas['MeasuredSets'];
export type Host = Schemas['Host'];
export type Disks = Schemas['Disks'];
export type CollectorCost = Schemas['CollectorCost'];

export type Collector = Schemas['Collector'];
export type Collectors = Schemas['CollectorPage'];
export type ConfigVersion = Schemas['ConfigVersion'];
export type ConfigVersions = Schemas['ConfigVersionPage'];
export type ConfigVersionTexts = Schemas['ConfigVersionTexts'];
export type ConfigChange = Schemas['ConfigChange'];
export type ConfigTemplate = Schemas['ConfigTemplate'];
export type ConfigTemplates = Schemas['ConfigTemplates'];
export type AppliedTemplate = Schemas['AppliedTemplate'];
export type SetRows = Schemas['SetRows'];
export type TemplateChange = Schemas['TemplateChange'];
export type TemplateVersion = Schemas['TemplateVersion'];
export type TemplateVersions = Schemas['TemplateVersions'];
export type CustomSet = Schemas['CustomSet'];
export type CustomSets = Schemas['CustomSets'];
export type CustomSetVersion = Schemas['CustomSetVersion'];
export type CustomSetVersions = Schemas['CustomSetVersions'];
export type CustomSetState = Schemas['CustomSetState'];
export type CustomSetStates = Schemas['CustomSetStates'];
export type CustomSetInstance = Schemas['CustomSetInstance'];
export type BroughtDefinition = Schemas['BroughtDefinition'];
export type BroughtDefinitions = Schemas['BroughtDefinitions'];

export type Jobs = Schemas['Jobs'];
export type Job = Schemas['BackgroundJob'];
export type StoreSizes = Schemas['StoreSizes'];
export type InstanceSize = Schemas['InstanceSize'];
export type Retention = Schemas['Retention'];
export type KeptTier = Schemas['KeptTier'];
