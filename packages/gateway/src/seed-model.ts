import type { Clock, Ids } from '@stox/kernel'
import { checkModel } from '@stox/federation'
import type { FederationFile, FederationModel, LocalDomain } from '@stox/federation'
import { StartFailure } from '@stox/service'
import type { ModelChange, Store } from '@stox/store'
import type { GatewayConfig } from './config.ts'

/**
 * The model this gateway starts with. The federation file is its first content, and is not read again; the domains of
 * gateway.yaml are laid over it at every start, since their routes are a matter of this installation.
 */
export async function seedModel(
  store: Store,
  config: Pick<GatewayConfig, 'sip' | 'federation'>,
  deps: { readonly clock: Clock; readonly ids: Ids },
): Promise<FederationModel> {
  const stored = await store.model.read()
  const wanted = wantedModel(stored, config, deps.ids)
  const checked = checkModel(wanted)
  if (!checked.ok)
    throw new StartFailure(
      checked.failure.map((problem) => ({
        ...problem,
        path: stored.revision === 0 ? `federation.file: ${problem.path}` : `sip.domains: ${problem.path}`,
      })),
    )
  const changes = changesBetween(stored, wanted)
  if (changes.length === 0) return stored
  const committed = await store.model.commit(changes, {
    who: 'configuration',
    atMs: deps.clock.wallMs(),
    expectedModel: stored.revision,
  })
  if (!committed.ok)
    throw new StartFailure([
      { path: 'store.url', problem: 'the model is being changed by somebody else', hint: 'start again' },
    ])
  return committed.value
}

function wantedModel(
  stored: FederationModel,
  config: Pick<GatewayConfig, 'sip' | 'federation'>,
  ids: Ids,
): FederationModel {
  const first: FederationFile | undefined = stored.revision === 0 ? config.federation : undefined
  const configured = config.sip.domains.map(({ answer, ...domain }): LocalDomain => ({
    ...domain,
    acceptedStatus: answer,
  }))
  const others = [...stored.localDomains, ...(first?.localDomains ?? [])].filter(
    ({ domain }) => !configured.some((one) => one.domain === domain),
  )
  const settings = first?.settings ?? stored.settings
  return {
    revision: stored.revision,
    partners: first?.partners ?? stored.partners,
    localDomains: [...others, ...configured],
    // Without one, dialback keys would not survive a restart: one is made up and kept.
    settings: { ...settings, dialbackPassphrase: settings.dialbackPassphrase ?? ids.token() + ids.token() },
  }
}

/** The order of keys says nothing. */
const sorted = (domain: LocalDomain): unknown => Object.entries(domain).toSorted(([a], [b]) => (a < b ? -1 : 1))

const sameJson = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

function changesBetween(before: FederationModel, after: FederationModel): readonly ModelChange[] {
  const changes: ModelChange[] = []
  for (const partner of after.partners)
    if (!before.partners.some((one) => sameJson(one, partner)))
      changes.push({ kind: 'xmpp-partner', key: partner.domain, value: partner })
  for (const domain of after.localDomains)
    if (!before.localDomains.some((one) => sameJson(sorted(one), sorted(domain))))
      changes.push({ kind: 'local-domain', key: domain.domain, value: domain })
  if (!sameJson(before.settings, after.settings))
    changes.push({ kind: 'settings', key: 'settings', value: after.settings })
  return changes
}
