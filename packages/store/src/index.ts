export { openMemoryStore } from './memory.ts'
export { openSqliteStore } from './sqlite.ts'
export { openStore } from './open-store.ts'
export type { StoreDeps } from './deps.ts'
export {
  AUDIT_VERBS,
  AUTHORIZATIONS,
  JOURNAL_DIRECTIONS,
  JOURNAL_KINDS,
  JOURNAL_OUTCOMES,
  SUBSCRIPTION_DIRECTIONS,
  TOKEN_ROLES,
  subscriptionId,
} from './ports.ts'
export type {
  AuditEntry,
  AuditRow,
  AuditStore,
  AuditVerb,
  Authorization,
  JournalQuery,
  JournalRow,
  JournalStore,
  ModelChange,
  ModelConflict,
  ModelMoved,
  ModelObjectKind,
  ModelObjects,
  ModelStore,
  Page,
  PageQuery,
  Store,
  StoreFailure,
  StoredJournalRow,
  SubscriptionDirection,
  SubscriptionFilter,
  SubscriptionRecord,
  SubscriptionStore,
  TokenRecord,
  TokenRole,
  TokenStore,
  Versioned,
} from './ports.ts'
