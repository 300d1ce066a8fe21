import { VirtualTime, silentLog, type LogFields } from '@stox/kernel'
import type { FederationModel } from '@stox/federation'
import {
  openMemoryStore,
  subscriptionId,
  type JournalRow,
  type Store,
  type SubscriptionRecord,
  type TokenRole,
} from '@stox/store'
import type { FastifyInstance } from 'fastify'
import { createToken } from '../src/auth.ts'
import type { AdminPorts, PublicationRow, SipSessionRow, SessionRow } from '../src/ports.ts'
import { buildAdminApi } from '../src/server.ts'

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly text: string
  /** The body as JSON. */
  readonly json: any // oxlint-disable-line typescript/no-explicit-any -- tests look into answers freely
}

/** The API over a store in memory, with a gateway that only notes what it is asked to do. */
export interface Bench {
  readonly app: FastifyInstance
  readonly store: Store
  readonly time: VirtualTime
  readonly announced: FederationModel[]
  readonly done: string[]
  readonly logged: (LogFields & { event: string })[]
  sessions: SessionRow[]
  publications: PublicationRow[]
  sipSessions: SipSessionRow[]
  ready: Awaited<ReturnType<AdminPorts['ready']>>
  ask(method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', url: string, options?: AskOptions): Promise<Answer>
}

export interface AskOptions {
  readonly role?: TokenRole
  readonly body?: unknown
  readonly headers?: Record<string, string>
  readonly ifMatch?: string | number
}

export async function startBench(): Promise<Bench> {
  const time = new VirtualTime()
  const logged: Bench['logged'] = []
  const log = { ...silentLog, error: (event: string, fields: LogFields = {}) => void logged.push({ event, ...fields }) }
  const store = openMemoryStore({ clock: time, timers: time, log })
  const tokens = new Map<TokenRole, string>()
  for (const role of ['viewer', 'operator', 'administrator'] as const) {
    // oxlint-disable-next-line no-await-in-loop -- three
    const token = await createToken(store, time, { name: `the-${role}`, role })
    if (token !== undefined) tokens.set(role, token)
  }
  const bench: Omit<Bench, 'app' | 'ask'> = {
    store,
    time,
    announced: [],
    done: [],
    logged,
    sessions: [],
    publications: [],
    sipSessions: [],
    ready: { store: { ok: true, detail: 'in memory' } },
  }
  const known = async (id: string): Promise<boolean> => (await store.subscriptions.get(id)) !== undefined
  const app = await buildAdminApi({
    store,
    clock: time,
    log,
    ports: {
      sessions: async () => bench.sessions,
      closeSession: async (id) => bench.done.push(`close ${id}`) > 0 && bench.sessions.some((row) => row.id === id),
      refreshSubscription: async (id) => bench.done.push(`refresh ${id}`) > 0 && known(id),
      deleteSubscription: async (id) => bench.done.push(`delete ${id}`) > 0 && known(id),
      publications: () => bench.publications,
      sipSessions: () => bench.sipSessions,
      onModelChanged: (model) => void bench.announced.push(model),
      ready: () => bench.ready,
      metrics: { text: async () => 'stox_streams 1\n', contentType: 'text/plain; version=0.0.4; charset=utf-8' },
    },
  })
  const ask: Bench['ask'] = async (method, url, { role = 'administrator', body, headers = {}, ifMatch } = {}) => {
    const answer = await app.inject({
      method,
      url,
      headers: {
        authorization: `Bearer ${tokens.get(role)}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(ifMatch === undefined ? {} : { 'if-match': typeof ifMatch === 'number' ? `"${ifMatch}"` : ifMatch }),
        ...headers,
      },
      ...(body === undefined ? {} : { payload: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const isJson = String(answer.headers['content-type']).includes('json')
    return {
      status: answer.statusCode,
      headers: answer.headers,
      text: answer.body,
      json: isJson ? JSON.parse(answer.body) : undefined,
    }
  }
  return Object.assign(bench, { app, ask })
}

export const session = (id: string, more: Partial<SessionRow> = {}): SessionRow => ({
  id,
  edge: 'edge-1',
  direction: 'inbound',
  localDomain: 'capulet.example',
  remoteDomain: 'montague.example',
  state: 'established',
  method: 'dialback-over-tls',
  tls: 'TLSv1.3',
  cipher: 'TLS_AES_256_GCM_SHA384',
  streamManagement: true,
  bidirectional: false,
  matrixRow: 7,
  certificateProblem: null,
  partner: 'montague.example',
  remoteAddress: '192.0.2.1',
  remotePort: 5269,
  sinceMs: 0,
  stanzasIn: 1,
  stanzasOut: 2,
  waitingStanzas: 0,
  waitingBytes: 0,
  quietMs: 0,
  reason: null,
  failure: null,
  ownCertificate: null,
  peerCertificate: null,
  ...more,
})

export const subscription = (
  watcher: string,
  contact: string,
  more: Partial<SubscriptionRecord> = {},
): SubscriptionRecord => ({
  id: subscriptionId('xmpp-watches-sip', watcher, contact),
  direction: 'xmpp-watches-sip',
  watcher,
  contact,
  authorization: 'active',
  state: 'active',
  data: '{"secretTag":1}',
  dueAtMs: 1000,
  updatedAtMs: 0,
  ...more,
})

export const journalRow = (correlationId: string, more: Partial<JournalRow> = {}): JournalRow => ({
  correlationId,
  atMs: 1000,
  direction: 'xmpp-to-sip',
  kind: 'message',
  from: 'romeo@montague.example',
  to: 'juliet@capulet.example',
  partner: 'montague.example',
  stanzaId: `s-${correlationId}`,
  callId: null,
  outcome: 'delivered',
  status: 200,
  condition: null,
  detail: '',
  durationMs: 1.5,
  edge: 'edge-1',
  ...more,
})
