import { mergePatch, normaliseDomain } from '@stox/federation'
import type { ModelChange, ModelObjects, Versioned } from '@stox/store'
import { z } from 'zod'
import { changeModel, type ChangeOptions } from './change-model.ts'
import { requireMatch } from './etag.ts'
import type { AdminDeps } from './ports.ts'
import { ApiProblem, notFound } from './problem.ts'
import { parseOrThrow } from './schemas.ts'

type DomainKind = 'xmpp-partner' | 'local-domain'

interface Words {
  /** With its article left out: `partner`. */
  readonly noun: string
  readonly taken: (domain: string) => string
}

/** Records of the model that stand under their domain: what reading and changing them has in common. */
export class DomainRecords<Kind extends DomainKind> {
  readonly #deps: AdminDeps
  readonly #kind: Kind
  readonly #words: Words
  readonly #changeOf: (
    key: string,
    value: ModelObjects[Kind] | null,
    expected: number | 'absent' | undefined,
  ) => ModelChange

  constructor(
    deps: AdminDeps,
    kind: Kind,
    words: Words,
    changeOf: (key: string, value: ModelObjects[Kind] | null, expected: number | 'absent' | undefined) => ModelChange,
  ) {
    this.#deps = deps
    this.#kind = kind
    this.#words = words
    this.#changeOf = changeOf
  }

  async existing(domain: string): Promise<Versioned<ModelObjects[Kind]>> {
    const found = await this.#find(normaliseDomain(domain) ?? domain)
    if (found === undefined) throw notFound(`${this.#words.noun} ${domain}`)
    return found
  }

  async page(
    { limit, after = '' }: { readonly limit: number; readonly after?: string | undefined },
    isWanted: (record: Versioned<ModelObjects[Kind]>) => boolean = () => true,
  ): Promise<{ readonly records: readonly Versioned<ModelObjects[Kind]>[]; readonly next: string | null }> {
    const all = await this.#deps.store.model.list(this.#kind)
    const found = all.filter((record) => record.key > after && isWanted(record))
    return { records: found.slice(0, limit), next: found.length > limit ? (found[limit - 1]?.key ?? null) : null }
  }

  async add(value: ModelObjects[Kind], options: ChangeOptions): Promise<Versioned<ModelObjects[Kind]>> {
    if ((await this.#find(value.domain)) !== undefined) throw new ApiProblem(409, this.#words.taken(value.domain))
    return this.#save(value, 'absent', options)
  }

  /** `named`: the domain in the address, which is that of the record. */
  async put(
    named: string,
    value: ModelObjects[Kind],
    ifMatch: string | undefined,
    options: ChangeOptions,
  ): Promise<{ readonly record: Versioned<ModelObjects[Kind]>; readonly isNew: boolean }> {
    if (value.domain !== normaliseDomain(named))
      throw this.#renamed('the domain in the body is not the one in the address')
    const before = await this.#find(value.domain)
    requireMatch(ifMatch, before?.revision)
    const record = await this.#save(value, before?.revision ?? 'absent', options)
    return { record, isNew: before === undefined && !options.dryRun }
  }

  /** `valueOf`: the patched record, read and checked as any other body. @see RFC 7396 */
  async patch(
    domain: string,
    patch: unknown,
    ifMatch: string | undefined,
    valueOf: (merged: unknown) => ModelObjects[Kind],
    options: ChangeOptions,
  ): Promise<Versioned<ModelObjects[Kind]>> {
    const before = await this.existing(domain)
    requireMatch(ifMatch, before.revision)
    const value = valueOf(mergePatch(parseOrThrow(z.json(), before.value), parseOrThrow(z.json(), patch)))
    if (value.domain !== before.key) throw this.#renamed(`a ${this.#words.noun} cannot be renamed`)
    return this.#save(value, before.revision, options)
  }

  async remove(domain: string, ifMatch: string | undefined, options: ChangeOptions): Promise<void> {
    const before = await this.existing(domain)
    requireMatch(ifMatch, before.revision)
    await changeModel(this.#deps, this.#changeOf(before.key, null, before.revision), options)
  }

  #find(key: string): Promise<Versioned<ModelObjects[Kind]> | undefined> {
    return this.#deps.store.model.get(this.#kind, key)
  }

  async #save(
    value: ModelObjects[Kind],
    expected: number | 'absent',
    options: ChangeOptions,
  ): Promise<Versioned<ModelObjects[Kind]>> {
    const { domain } = value
    const after = await changeModel(this.#deps, this.#changeOf(domain, value, expected), options)
    const stored = options.dryRun ? undefined : await this.#find(domain)
    return stored ?? { key: domain, value, revision: after.revision }
  }

  #renamed(why: string): ApiProblem {
    const hint = `to rename a ${this.#words.noun}, add the new one and delete the old one`
    return new ApiProblem(400, why, [{ path: 'domain', problem: 'differs from the address', hint }])
  }
}
