import { fail, ok, unreachable, type Result } from '@stox/kernel'
import { DEFAULT_SETTINGS, type FederationModel } from '@stox/federation'
import type {
  AuditEntry,
  ModelChange,
  ModelConflict,
  ModelMoved,
  ModelObjectKind,
  ModelObjects,
  ModelStore,
  Versioned,
} from './ports.ts'

type Rows = { readonly [Kind in ModelObjectKind]: Map<string, Versioned<ModelObjects[Kind]>> }

/** Writes down what a commit changed, and its audit rows, all or nothing; throws when it cannot. */
export type PersistModel = (revision: number, changes: readonly ModelChange[], audit: readonly AuditEntry[]) => void

/** The model with its revisions, in memory over whatever keeps it: it is small, and read far more than it is written. */
export class ModelTable implements ModelStore {
  readonly #rows: Rows = { 'xmpp-partner': new Map(), 'local-domain': new Map(), settings: new Map() }
  readonly #persist: PersistModel
  #model: FederationModel

  constructor(revision: number, stored: Iterable<readonly [ModelChange, number]>, persist: PersistModel) {
    this.#persist = persist
    for (const [change, at] of stored) this.#apply(change, at)
    this.#model = this.#build(revision)
  }

  get current(): FederationModel {
    return this.#model
  }

  async read(): Promise<FederationModel> {
    return this.#model
  }

  async get<Kind extends ModelObjectKind>(kind: Kind, key: string): Promise<Versioned<ModelObjects[Kind]> | undefined> {
    return this.#rows[kind].get(key)
  }

  async list<Kind extends ModelObjectKind>(kind: Kind): Promise<readonly Versioned<ModelObjects[Kind]>[]> {
    return inOrder(this.#rows[kind])
  }

  /** Nothing is awaited, so that nothing comes between the look and the write. */
  async commit(
    changes: readonly ModelChange[],
    by: { readonly who: string; readonly atMs: number; readonly expectedModel?: number | undefined },
  ): Promise<Result<FederationModel, ModelConflict | ModelMoved>> {
    const { revision } = this.#model
    if (by.expectedModel !== undefined && by.expectedModel !== revision)
      return fail({ kind: 'model-moved', actual: revision })
    for (const change of changes) {
      const actual = this.#rows[change.kind].get(change.key)?.revision
      const wanted = change.expected === 'absent' ? undefined : change.expected
      if (change.expected !== undefined && wanted !== actual) return fail({ kind: 'revision-conflict', change, actual })
    }
    const real = changes.filter((change) => this.#changesSomething(change))
    if (real.length === 0) return ok(this.#model)
    const next = revision + 1
    this.#persist(
      next,
      real,
      real.map((change) => this.#auditOf(change, by)),
    )
    for (const change of real) this.#apply(change, next)
    this.#model = this.#build(next)
    return ok(this.#model)
  }

  #changesSomething(change: ModelChange): boolean {
    const before = this.#rows[change.kind].get(change.key)
    if (before === undefined) return change.value !== null
    return JSON.stringify(before.value) !== JSON.stringify(change.value)
  }

  #auditOf(change: ModelChange, by: { readonly who: string; readonly atMs: number }): AuditEntry {
    const nothing = change.kind === 'settings' ? DEFAULT_SETTINGS : null
    const before = this.#rows[change.kind].get(change.key)?.value ?? nothing
    return {
      atMs: by.atMs,
      who: by.who,
      verb: before === null ? 'create' : change.value === null ? 'delete' : 'change',
      object: change.kind === 'settings' ? 'settings' : `${change.kind}/${change.key}`,
      before: before === null ? null : withoutSecrets(before),
      after: change.value === null ? null : withoutSecrets(change.value),
    }
  }

  #apply(change: ModelChange, revision: number): void {
    switch (change.kind) {
      case 'xmpp-partner':
        return set(this.#rows['xmpp-partner'], change.key, change.value, revision)
      case 'local-domain':
        return set(this.#rows['local-domain'], change.key, change.value, revision)
      case 'settings':
        return set(this.#rows.settings, change.key, change.value, revision)
      default:
        return unreachable(change)
    }
  }

  #build(revision: number): FederationModel {
    return {
      partners: inOrder(this.#rows['xmpp-partner']).map((row) => row.value),
      settings: this.#rows.settings.get('settings')?.value ?? DEFAULT_SETTINGS,
      localDomains: inOrder(this.#rows['local-domain']).map((row) => row.value),
      revision,
    }
  }
}

function set<T>(rows: Map<string, Versioned<T>>, key: string, value: T | null, revision: number): void {
  if (value === null) rows.delete(key)
  else rows.set(key, { key, value, revision })
}

const inOrder = <T>(rows: ReadonlyMap<string, Versioned<T>>): readonly Versioned<T>[] =>
  [...rows.values()].toSorted((a, b) => (a.key < b.key ? -1 : 1))

const SECRETS: ReadonlySet<string> = new Set(['dialbackPassphrase'])

const withoutSecrets = (value: object): string =>
  JSON.stringify(value, (key, member: unknown) => (SECRETS.has(key) && member !== null ? '(secret)' : member))
