import type { Store } from '@stox/store'
import type { ReadyReport } from '@stox/telemetry'
import type { LinkClientPort } from '@stox/transport'
import type { ServerReport } from './probe-servers.ts'

export interface ReadinessDeps {
  readonly store: Pick<Store, 'health'>
  readonly link: Pick<LinkClientPort, 'edges'>
  /** Where we listen for SIP. */
  readonly listen: readonly string[]
  readonly probes: { reports(): readonly ServerReport[] }
}

/** Whether the gateway can do its work: the store is there, SIP is heard, and an edge is attached. */
export const readiness = ({ store, link, listen, probes }: ReadinessDeps): ReadyReport => ({
  store: store.health(),
  sip: { ok: true, detail: sipDetail(listen, probes.reports()) },
  edge: edgeReport(link.edges()),
})

/** Where we listen, and which of the SIP servers are there. That one is down is no reason to restart us. */
function sipDetail(listen: readonly string[], servers: readonly ServerReport[]): string {
  const down = servers.filter(({ up }) => !up).map(({ server }) => server)
  const counted = servers.length === 0 ? [] : [`${servers.length - down.length} of ${servers.length} SIP servers up`]
  return [listen.join(', '), ...counted, ...(down.length === 0 ? [] : [`down: ${down.join(', ')}`])].join('; ')
}

function edgeReport(edges: ReturnType<LinkClientPort['edges']>): ReadyReport[string] {
  const attached = edges.filter((edge) => edge.attached)
  if (attached.length > 0) return { ok: true, detail: `${attached.length} of ${edges.length} attached` }
  const problem = edges.map((edge) => edge.lastProblem).find((text) => text !== undefined)
  return { ok: false, detail: problem ?? 'no edge is attached' }
}
