import { silentLog, type Outcome } from '@stox/kernel'
import type { OutboundEnvelope } from '@stox/link'
import { LinkClient, cryptoIds, systemClock, systemTimers } from '@stox/transport'
import { PEOPLE, textOf } from './load-end.ts'
import type { Counts, Order, Start } from './null-gateway.ts'

/** The process of `NullGateway`: orders come from the parent, and each is answered with what was counted. */

const DELIVERED: Promise<Outcome> = Promise.resolve({ kind: 'delivered', status: 200 })
/** What is for `nobody` comes back, so that its sender sees how long the way is. */
const NOBODY: Promise<Outcome> = Promise.resolve({
  kind: 'bounced',
  failure: { fault: 'recipient', retry: 'never', condition: 'item-not-found', status: 404, text: 'nobody', detail: '' },
})
const RENDERED = 10 * PEOPLE
const EXPIRES_MS = 30_000
const SECRET = 'only for the benchmark, and nowhere else'

let link: LinkClient | undefined
let envelopes: readonly OutboundEnvelope[] = []
let attached = false
let room = 0
let scheduled = false
const domains = new Set<string>()
let arrived = 0
let sent = 0
let delivered = 0
let bounced = 0
let whyBounced: string | undefined

function attach({ order, model }: Start): void {
  link = new LinkClient({
    node: order.node,
    edges: order.edges,
    tls: order.tls,
    replica: { model, dialbackSecret: SECRET },
    clock: systemClock,
    timers: systemTimers,
    ids: cryptoIds,
    log: silentLog,
    on: {
      inbound({ remoteDomain, to }) {
        arrived += 1
        domains.add(remoteDomain)
        return to.startsWith('nobody@') ? NOBODY : DELIVERED
      },
      replicaAcknowledged(_edge, _revision, problem) {
        if (problem !== undefined) throw new Error(`the edge refuses the model: ${problem}`)
        if (!attached) tell()
        attached = true
      },
    },
  })
  link.start()
}

const settled = (outcome: Outcome): void => {
  if (outcome.kind === 'delivered') delivered += 1
  else {
    bounced += 1
    whyBounced ??= outcome.kind === 'bounced' ? outcome.failure.detail : outcome.reason
  }
  if (envelopes.length === 0) return
  room += 1
  if (scheduled) return
  scheduled = true
  setImmediate(fill)
}

function fill(): void {
  scheduled = false
  for (; room > 0 && envelopes.length > 0; room -= 1) {
    const envelope = envelopes[sent % envelopes.length]
    if (envelope === undefined) return
    sent += 1
    void link?.send(envelope).then(settled)
  }
}

function render(localDomain: string, remoteDomain: string): readonly OutboundEnvelope[] {
  return Array.from({ length: RENDERED }, (_none, index) => {
    const from = `s${index % PEOPLE}@${localDomain}`
    const to = `u${index % PEOPLE}@${remoteDomain}`
    return {
      correlationId: `bench-${index}`,
      localDomain,
      remoteDomain,
      from,
      to,
      stanzaXml: `<message from='${from}' to='${to}' id='b${index}' type='chat' xmlns='jabber:server'><body>${textOf(index)}</body></message>`,
      expiresInMs: EXPIRES_MS,
    }
  })
}

function tell(): void {
  const counts: Counts = {
    atMs: performance.now(),
    arrived,
    domains: domains.size,
    sent,
    delivered,
    bounced,
    whyBounced,
  }
  process.send?.(counts)
}

function obey(order: Order): void {
  if (order.kind === 'send') {
    envelopes = render(order.localDomain, order.remoteDomain)
    room = order.window
    fill()
  } else if (order.kind === 'stop') envelopes = []
  tell()
}

process.once('message', (start) => {
  process.on('message', (order) => obey(order as Order))
  attach(start as Start)
})
process.once('disconnect', () => process.exit())
