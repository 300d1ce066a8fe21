import type { Clock, Log, Result, Timers } from '@stox/kernel'
import type { Store, StoreFailure } from './ports.ts'
export { AUTHORIZATIONS, JOURNAL_DIRECTIONS, SUBSCRIPTION_DIRECTIONS, TOKEN_ROLES, subscriptionId } from './ports.ts'
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
  ModelObjectKind,
  ModelObjects,
  ModelStore,
  Page,
  PageQuery,
  Store,
  StoreFailure,
  SubscriptionDirection,
  SubscriptionFilter,
  SubscriptionRecord,
  SubscriptionStore,
  TokenRecord,
  TokenRole,
  TokenStore,
  Versioned,
} from './ports.ts'
export interface StoreDeps {
  readonly clock: Clock
  readonly timers: Timers
  readonly log: Log
}
export declare function openMemoryStore(deps: StoreDeps): Store
export declare function openSqliteStore(path: string, deps: StoreDeps): Result<Store, StoreFailure>
