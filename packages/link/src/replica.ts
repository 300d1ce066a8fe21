import {
  checkModel,
  federationModelSchema,
  localDomainSchema,
  settingsSchema,
  xmppPartnerSchema,
} from '@stox/federation'
import type { FederationModel, LocalDomain, Settings, XmppPartner } from '@stox/federation'
import { fail, ok, type Result } from '@stox/kernel'
import { z } from 'zod'
import type * as wire from './gen/stox/link/v1/link_pb.ts'

/** What the edge must know of the federation model, so that it can decide alone. `model.revision` is the replica's revision. */
export interface Replica {
  readonly model: FederationModel
  /** The secret that dialback keys are made of; the same on every edge. @see XEP-0185 */
  readonly dialbackSecret: string
}

/** What changed between two replicas: whole objects, and undefined where nothing did. */
export interface ReplicaChange {
  readonly base: number
  readonly revision: number
  readonly partners: readonly XmppPartner[]
  readonly removedPartners: readonly string[]
  readonly settings: Settings | undefined
  readonly localDomains: readonly LocalDomain[] | undefined
  readonly dialbackSecret: string | undefined
}

const same = (a: unknown, b: unknown): boolean => a === b || JSON.stringify(a) === JSON.stringify(b)

export function changeBetween(from: Replica, to: Replica): ReplicaChange {
  const before = new Map(from.model.partners.map((partner) => [partner.domain, partner]))
  const partners = to.model.partners.filter((partner) => !same(before.get(partner.domain), partner))
  for (const partner of to.model.partners) before.delete(partner.domain)
  return {
    base: from.model.revision,
    revision: to.model.revision,
    partners,
    removedPartners: [...before.keys()],
    settings: same(from.model.settings, to.model.settings) ? undefined : to.model.settings,
    localDomains: same(from.model.localDomains, to.model.localDomains) ? undefined : to.model.localDomains,
    dialbackSecret: from.dialbackSecret === to.dialbackSecret ? undefined : to.dialbackSecret,
  }
}

export function applyChange(replica: Replica, change: ReplicaChange): Result<Replica, string> {
  if (change.base !== replica.model.revision)
    return fail(`the change starts at revision ${change.base}, held is ${replica.model.revision}`)
  const partners = new Map(replica.model.partners.map((partner) => [partner.domain, partner]))
  for (const domain of change.removedPartners) partners.delete(domain)
  for (const partner of change.partners) partners.set(partner.domain, partner)
  return checked({
    model: {
      partners: [...partners.values()],
      settings: change.settings ?? replica.model.settings,
      localDomains: change.localDomains ?? replica.model.localDomains,
      revision: change.revision,
    },
    dialbackSecret: change.dialbackSecret ?? replica.dialbackSecret,
  })
}

export function sameReplica(a: Replica, b: Replica): boolean {
  return a.dialbackSecret === b.dialbackSecret && same(a.model, b.model)
}

// On the wire a newer gateway may write keys that are unknown here: they are left out, not refused.
const partnersSchema = z.array(z.object(xmppPartnerSchema.shape)).max(100_000)
const settingsOnLink = z.object(settingsSchema.shape)
const localDomainsSchema = z.array(z.object(localDomainSchema.shape)).max(10_000)
const modelSchema = z.object({
  partners: partnersSchema,
  settings: settingsOnLink,
  localDomains: localDomainsSchema,
  revision: federationModelSchema.shape.revision,
})
const MIN_SECRET = 16
const replicaSchema = z.object({ model: modelSchema, dialbackSecret: z.string().min(MIN_SECRET).max(1024) })

function checked(replica: Replica): Result<Replica, string> {
  if (replica.dialbackSecret.length < MIN_SECRET)
    return fail(`the dialback secret is shorter than ${MIN_SECRET} characters`)
  const model = checkModel(replica.model)
  if (model.ok) return ok(replica)
  return fail(model.failure.map(({ path, problem }) => `${path}: ${problem}`).join('; '))
}

/** Reads a replica as one would a stranger's: `value` is parsed JSON, from the link or from a file. */
export function parseReplica(value: unknown): Result<Replica, string> {
  const parsed = replicaSchema.safeParse(value)
  return parsed.success ? checked(parsed.data) : fail(issuesOf(parsed.error))
}

const issuesOf = (error: z.ZodError): string =>
  error.issues
    .slice(0, 5)
    .map((issue) => `${issue.path.join('.')}: ${issue.message}`)
    .join('; ')

export function replicaToWire(replica: Replica): wire.Replica {
  return {
    $typeName: 'stox.link.v1.Replica',
    revision: replica.model.revision,
    modelJson: JSON.stringify(replica.model),
    dialbackSecret: replica.dialbackSecret,
  }
}

export function replicaFromWire(replica: wire.Replica): Result<Replica, string> {
  const model = parseJson(replica.modelJson)
  if (!model.ok) return model
  return parseReplica({ model: model.value, dialbackSecret: replica.dialbackSecret })
}

export function changeToWire(change: ReplicaChange): wire.ReplicaDelta {
  return {
    $typeName: 'stox.link.v1.ReplicaDelta',
    base: change.base,
    revision: change.revision,
    partnersJson: change.partners.length === 0 ? '' : JSON.stringify(change.partners),
    removedPartners: [...change.removedPartners],
    settingsJson: change.settings === undefined ? '' : JSON.stringify(change.settings),
    localDomainsJson: change.localDomains === undefined ? '' : JSON.stringify(change.localDomains),
    dialbackSecret: change.dialbackSecret ?? '',
  }
}

export function changeFromWire(delta: wire.ReplicaDelta): Result<ReplicaChange, string> {
  const partners = parsePart(partnersSchema, delta.partnersJson, 'partners')
  if (!partners.ok) return partners
  const settings = parsePart(settingsOnLink, delta.settingsJson, 'settings')
  if (!settings.ok) return settings
  const localDomains = parsePart(localDomainsSchema, delta.localDomainsJson, 'localDomains')
  if (!localDomains.ok) return localDomains
  if (!Number.isSafeInteger(delta.revision) || delta.revision < 0) return fail(`not a revision: ${delta.revision}`)
  return ok({
    base: delta.base,
    revision: delta.revision,
    partners: partners.value ?? [],
    removedPartners: delta.removedPartners,
    settings: settings.value,
    localDomains: localDomains.value,
    dialbackSecret: delta.dialbackSecret === '' ? undefined : delta.dialbackSecret,
  })
}

/** Undefined for an empty text: unchanged. */
function parsePart<T>(schema: z.ZodType<T>, text: string, name: string): Result<T | undefined, string> {
  if (text === '') return ok(undefined)
  const value = parseJson(text)
  if (!value.ok) return value
  const parsed = schema.safeParse(value.value)
  return parsed.success ? ok(parsed.data) : fail(`${name}.${issuesOf(parsed.error)}`)
}

function parseJson(text: string): Result<unknown, string> {
  try {
    return ok(JSON.parse(text) as unknown)
  } catch {
    return fail('not JSON')
  }
}
