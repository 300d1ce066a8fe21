import type { Result } from '@stox/kernel'
import type { FederationModel, LocalDomain, Settings, XmppPartner } from '@stox/federation'

/**
 * What outlives a process. Two kinds of calls: those that return a promise touch the medium before it resolves;
 * those that return nothing only note what is to be written, and never wait for a disk.
 */
export interface Store {
  readonly model: ModelStore
  readonly audit: AuditStore
  readonly tokens: TokenStore
  readonly subscriptions: SubscriptionStore
  readonly publications: PublicationStore
  readonly journal: JournalStore
  /** For readiness: false, and why, when the last write failed. */
  health(): { readonly ok: boolean; readonly detail: string }
  /** Writes everything that is still in memory, then lets go of the medium. */
  close(): Promise<void>
}

export interface StoreFailure {
  readonly kind: 'store-unreadable' | 'store-not-a-database' | 'store-too-new' | 'store-in-use'
  readonly detail: string
  readonly hint: string
}

/** A page of something ordered; `next` is where the following page starts, undefined after the last. */
export interface Page<T> {
  readonly items: readonly T[]
  readonly next: string | undefined
}

export interface PageQuery {
  /** 1 to 1000. */
  readonly limit: number
  /** `next` of the page before. */
  readonly after?: string | undefined
}

// --- the federation model -------------------------------------------------------------------------------------------

/** The objects of the model by kind, as they are stored. Settings have the one key `settings`. */
export interface ModelObjects {
  readonly 'xmpp-partner': XmppPartner
  readonly 'local-domain': LocalDomain
  readonly settings: Settings
}
export type ModelObjectKind = keyof ModelObjects

/** The revision is that of the model in which the object last changed: it never comes back, even after a deletion. */
export interface Versioned<T> {
  readonly key: string
  readonly value: T
  readonly revision: number
}

/** `expected`: the revision the writer has seen, `absent` when there must be none; left out: whatever is there. */
export type ModelChange = {
  [Kind in ModelObjectKind]: {
    readonly kind: Kind
    readonly key: string
    /** Null deletes. */
    readonly value: ModelObjects[Kind] | null
    readonly expected?: number | 'absent' | undefined
  }
}[ModelObjectKind]

export interface ModelConflict {
  readonly kind: 'revision-conflict'
  readonly change: ModelChange
  /** What is there now; undefined when nothing is. */
  readonly actual: number | undefined
}

/** The whole model has another revision than the one on which the change was checked. */
export interface ModelMoved {
  readonly kind: 'model-moved'
  readonly actual: number
}

export interface ModelStore {
  read(): Promise<FederationModel>
  get<Kind extends ModelObjectKind>(kind: Kind, key: string): Promise<Versioned<ModelObjects[Kind]> | undefined>
  /** In the order of their keys. */
  list<Kind extends ModelObjectKind>(kind: Kind): Promise<readonly Versioned<ModelObjects[Kind]>[]>
  /**
   * All changes, each with its audit row, or none. `expectedModel` is the revision on which the changes were checked:
   * when the model has moved on meanwhile, nothing is changed. A change that changes nothing leaves no trace.
   */
  commit(
    changes: readonly ModelChange[],
    by: { readonly who: string; readonly atMs: number; readonly expectedModel?: number | undefined },
  ): Promise<Result<FederationModel, ModelConflict | ModelMoved>>
}

// --- the audit log --------------------------------------------------------------------------------------------------

export const AUDIT_VERBS = ['create', 'change', 'delete', 'refresh', 'close'] as const
export type AuditVerb = (typeof AUDIT_VERBS)[number]

export interface AuditEntry {
  readonly atMs: number
  /** The name of the token, or of what acted by itself. */
  readonly who: string
  readonly verb: AuditVerb
  /** `xmpp-partner/montague.example`. */
  readonly object: string
  /** JSON with secrets replaced by `(secret)`; null where there was, or is, nothing. */
  readonly before: string | null
  readonly after: string | null
}

export interface AuditRow extends AuditEntry {
  readonly id: number
}

export interface AuditStore {
  append(entry: AuditEntry): Promise<void>
  /** Newest first. */
  find(
    query: PageQuery & { readonly object?: string | undefined; readonly who?: string | undefined },
  ): Promise<Page<AuditRow>>
}

// --- tokens ---------------------------------------------------------------------------------------------------------

export const TOKEN_ROLES = ['viewer', 'operator', 'administrator'] as const
export type TokenRole = (typeof TOKEN_ROLES)[number]

/** Only the hash of a token is ever stored: SHA-256 in hex, enough for 256 random bits. */
export interface TokenRecord {
  readonly name: string
  readonly role: TokenRole
  readonly hash: string
  readonly createdAtMs: number
}

export interface TokenStore {
  /** False when the name is taken. */
  add(token: TokenRecord): Promise<boolean>
  findByHash(hash: string): Promise<TokenRecord | undefined>
  list(): Promise<readonly TokenRecord[]>
  /** False when there was none. */
  remove(name: string): Promise<boolean>
}

// --- presence subscriptions -----------------------------------------------------------------------------------------

export const SUBSCRIPTION_DIRECTIONS = ['xmpp-watches-sip', 'sip-watches-xmpp'] as const
export type SubscriptionDirection = (typeof SUBSCRIPTION_DIRECTIONS)[number]
export const AUTHORIZATIONS = ['none', 'pending', 'active', 'denied'] as const
export type Authorization = (typeof AUTHORIZATIONS)[number]

export interface SubscriptionRecord {
  /** `subscriptionId(direction, watcher, contact)`. */
  readonly id: string
  readonly direction: SubscriptionDirection
  /** Bare addresses, as JIDs are written. */
  readonly watcher: string
  readonly contact: string
  readonly authorization: Authorization
  /** The name of the state in which its machine is. */
  readonly state: string
  /** JSON of whoever keeps the subscription: dialogs, announced resources, timers. */
  readonly data: string
  readonly dueAtMs: number | null
  readonly updatedAtMs: number
}

export const subscriptionId = (direction: SubscriptionDirection, watcher: string, contact: string): string =>
  `${direction}|${watcher}|${contact}`

export interface SubscriptionFilter {
  readonly direction?: SubscriptionDirection | undefined
  readonly authorization?: Authorization | undefined
  readonly state?: string | undefined
  readonly watcher?: string | undefined
  readonly contact?: string | undefined
}

export interface SubscriptionStore {
  /**
   * Written within 50 ms, many in one transaction; reads see it at once. With `durable` it is written, and everything
   * noted before it, when the promise resolves: for a change of authorization, or of the dialogs that there are.
   */
  put(record: SubscriptionRecord): void
  put(record: SubscriptionRecord, options: { readonly durable: true }): Promise<void>
  delete(id: string): void
  delete(id: string, options: { readonly durable: true }): Promise<void>
  get(id: string): Promise<SubscriptionRecord | undefined>
  /** In the order of their ids. */
  list(query: PageQuery & { readonly filter?: SubscriptionFilter | undefined }): Promise<Page<SubscriptionRecord>>
  all(): AsyncIterable<SubscriptionRecord>
  flush(): Promise<void>
}

// --- publications ---------------------------------------------------------------------------------------------------

/** What a SIP server has of one XMPP user, by the etag that it gave. @see RFC 3903 */
export interface PublicationRecord {
  readonly id: string
  /** JSON of whoever keeps the publication. */
  readonly data: string
  readonly updatedAtMs: number
}

export interface PublicationStore {
  /** As `SubscriptionStore.put`; durable for an etag, without which the publication would be doubled. */
  put(record: PublicationRecord): void
  put(record: PublicationRecord, options: { readonly durable: true }): Promise<void>
  delete(id: string): void
  /** In the order of their ids. */
  all(): Promise<readonly PublicationRecord[]>
  flush(): Promise<void>
}

// --- the message journal --------------------------------------------------------------------------------------------

export const JOURNAL_DIRECTIONS = ['xmpp-to-sip', 'sip-to-xmpp'] as const
export const JOURNAL_KINDS = ['message', 'presence'] as const
export const JOURNAL_OUTCOMES = ['delivered', 'bounced', 'absorbed'] as const

/** How one message or presence ended. Never a body. */
export interface JournalRow {
  readonly correlationId: string
  /** When it was accepted. */
  readonly atMs: number
  readonly direction: (typeof JOURNAL_DIRECTIONS)[number]
  readonly kind: (typeof JOURNAL_KINDS)[number]
  /** Bare addresses, as JIDs are written. */
  readonly from: string
  readonly to: string
  readonly partner: string
  readonly stanzaId: string | null
  readonly callId: string | null
  readonly outcome: (typeof JOURNAL_OUTCOMES)[number]
  readonly status: number | null
  readonly condition: string | null
  readonly detail: string
  readonly durationMs: number
  readonly edge: string
}

/** `seq` grows in the order in which the rows were appended. */
export interface StoredJournalRow extends JournalRow {
  readonly seq: number
}

export interface JournalQuery extends PageQuery {
  /** Either end. */
  readonly address?: string | undefined
  readonly partner?: string | undefined
  /** Of the stanza, or the Call-ID. */
  readonly id?: string | undefined
  readonly correlationId?: string | undefined
  readonly fromMs?: number | undefined
  readonly untilMs?: number | undefined
}

export interface JournalStore {
  /** Written within 200 ms, many in one transaction. When too many wait, the oldest of them is dropped and counted. */
  append(row: JournalRow): void
  /** Newest first; sees what waits. */
  find(query: JournalQuery): Promise<Page<StoredJournalRow>>
  flush(): Promise<void>
  /** Deletes the oldest of what was accepted before that time, at most `limit` rows; gives how many went. */
  prune(beforeMs: number, limit: number): Promise<number>
  readonly waiting: number
  /** Since the start. */
  readonly dropped: number
}
