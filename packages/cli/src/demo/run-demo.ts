import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { silentLog } from '@stox/kernel'
import { parseDomain, parseJid } from '@stox/xmpp'
import type { Stanza } from '@stox/xmpp'
import { stringify } from 'yaml'
import { makeThrowAwayKeys } from '../throw-away-ca.ts'
import { Narrator } from './narrator.ts'
import { Heard, play } from './play.ts'
import type { PresenceLearned, SipMessageHeard, Stage } from './play.ts'
import { freePorts, Service } from './service.ts'
import { SipSide } from './sip-side.ts'
import { XmppSide } from './xmpp-side.ts'

export interface DemoOptions {
  /** Ends after the conversation. */
  readonly once: boolean
  /** Where keys, configuration, store and logs go. */
  readonly folder: string
  readonly adminPort: number
}

const XMPP_DOMAIN = 'xmpp.example'
const SIP_DOMAIN = 'sip.example'
const JULIET = `juliet@${XMPP_DOMAIN}/balcony`
const ROMEO = `romeo@${SIP_DOMAIN}`
const READY_WITHIN_MS = 30_000

/** Edge and gateway as two processes with the embedded store, a small XMPP domain and a small SIP domain beside them, and a conversation. */
export async function runDemo(options: DemoOptions): Promise<number> {
  const narrator = new Narrator(
    (line) => process.stdout.write(`${line}\n`),
    process.stdout.isTTY && process.env['NO_COLOR'] === undefined,
  )
  const startedAt = performance.now()
  const closers: (() => Promise<unknown>)[] = []
  let stopping: Promise<void> | undefined
  const stop = (): Promise<void> =>
    (stopping ??= (async () => {
      for (const close of closers.toReversed()) await close()
    })())

  try {
    const folder = options.folder
    const data = join(folder, 'data')
    rmSync(data, { recursive: true, force: true })
    mkdirSync(data, { recursive: true, mode: 0o700 })
    const tls = join(folder, 'tls')
    await makeThrowAwayKeys({
      folder: tls,
      edgeName: '127.0.0.1',
      gatewayName: 'gateway.inside',
      domains: [SIP_DOMAIN, XMPP_DOMAIN],
      validDays: 30,
    })

    const [admin, s2s, link, edgeOps, gatewayOps, gatewaySip, xmppSide, sipSide] = (await freePorts(
      8,
      options.adminPort,
    )) as [number, number, number, number, number, number, number, number]
    const key = (name: string) => ({ cert: join(tls, `${name}.crt`), key: join(tls, `${name}.key`) })
    const edgeFile = join(folder, 'edge.yaml')
    const gatewayFile = join(folder, 'gateway.yaml')
    const federationFile = join(folder, 'federation.yaml')
    writeFileSync(
      edgeFile,
      stringify({
        node: 'edge-1',
        xmpp: { listen: [`127.0.0.1:${s2s}`], certificates: [{ domains: [SIP_DOMAIN], ...key(SIP_DOMAIN) }] },
        link: {
          listen: `127.0.0.1:${link}`,
          ...key('edge'),
          ca: join(tls, 'inside-ca.crt'),
          peers: ['gateway.inside'],
        },
        ops: { listen: `127.0.0.1:${edgeOps}` },
        replica: { file: join(data, 'replica.json') },
      }),
    )
    writeFileSync(
      gatewayFile,
      stringify({
        node: 'gateway-1',
        link: { edges: [`https://127.0.0.1:${link}`], ...key('gateway'), ca: join(tls, 'inside-ca.crt') },
        sip: {
          listen: [`udp:127.0.0.1:${gatewaySip}`, `tcp:127.0.0.1:${gatewaySip}`],
          domains: [{ domain: SIP_DOMAIN, route: `sip:127.0.0.1:${sipSide};transport=tcp` }],
          trustedPeers: ['127.0.0.1'],
        },
        admin: { listen: `127.0.0.1:${admin}` },
        store: { url: `sqlite:${join(data, 'stox.db')}` },
        ops: { listen: `127.0.0.1:${gatewayOps}` },
        federation: { file: federationFile },
        presence: { notifyIntervalMs: 500 }, // so that the conversation does not wait
      }),
    )
    writeFileSync(
      federationFile,
      stringify({
        settings: { federation: true, xmpp: true },
        partners: [
          {
            domain: XMPP_DOMAIN,
            description: 'The small XMPP domain of the demonstration',
            partnerType: 'federated',
            tlsNegotiation: 'required',
            saslNegotiation: 'optional',
            proxy: { host: '127.0.0.1', port: xmppSide },
          },
        ],
      }),
    )

    narrator.title('stox: an XMPP-to-SIP federation gateway')
    narrator.plain(`
  ${JULIET.padEnd(30)} edge                     gateway                ${ROMEO}
  XMPP server ${xmppSide}  ◄── s2s, TLS ──►  ${s2s}  ◄══ link ${link} ══►  ${gatewaySip}  ◄── SIP, TCP ──►  SIP server ${sipSide}`)

    const mainOf = (name: string) => fileURLToPath(import.meta.resolve(`@stox/${name}/main`))
    // What a stream reads into is given back to the system as far as it is not used: docs/performance.md, idleStreamKiB.
    const lean = { MALLOC_MMAP_THRESHOLD_: '65536', MALLOC_TOP_PAD_: '16384' }
    const edge = new Service('edge', mainOf('edge-proxy'), ['--config', edgeFile], join(folder, 'edge.log'), lean)
    closers.push(() => edge.stop())
    const gateway = new Service('gateway', mainOf('gateway'), ['--config', gatewayFile], join(folder, 'gateway.log'))
    closers.push(() => gateway.stop())
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => void stop().then(() => process.exit(0)))
    for (const service of [edge, gateway]) {
      void service.ended.then((code) => {
        if (stopping !== undefined) return
        process.stderr.write(`the ${service.name} has ended with ${code}; see ${service.logFile}\n`)
        void stop().then(() => process.exit(1))
      })
    }

    const stage = await setStage(narrator, { tls, xmppSide, s2s, sipSide, gatewaySip })
    closers.push(
      () => stage.xmpp.close(),
      () => stage.sip.close(),
    )
    await edge.ready(`http://127.0.0.1:${edgeOps}/healthz`, READY_WITHIN_MS)
    await gateway.ready(`http://127.0.0.1:${gatewayOps}/readyz`, READY_WITHIN_MS)
    narrator.plain(`\n  ready after ${((performance.now() - startedAt) / 1000).toFixed(1)} s`)

    const tally = await play(stage)
    const lost = tally.exchanges - tally.delivered
    const summary = `demo: ${tally.exchanges} exchanges, ${tally.delivered} delivered, ${lost} lost`
    if (options.once) {
      await stop()
      narrator.plain(`\n${summary}`)
      return lost === 0 ? 0 : 1
    }
    narrator.plain(`\n${summary}`)
    const token = /\bstox_[\w-]{20,}/.exec(gateway.log())?.[0]
    narrator.title('Both services stay up. Ctrl-C ends them.')
    narrator.plain(`  API page   http://127.0.0.1:${admin}/docs
  token      ${token ?? `see ${gateway.logFile}`}
  try        curl -H 'Authorization: Bearer ${token ?? 'TOKEN'}' http://127.0.0.1:${admin}/v1/messages
  metrics    http://127.0.0.1:${edgeOps}/metrics  http://127.0.0.1:${gatewayOps}/metrics
  logs       ${edge.logFile}  ${gateway.logFile}`)
    await Promise.race([edge.ended, gateway.ended])
    await stop()
    return 0
  } catch (error) {
    process.stderr.write(`stox demo: ${error instanceof Error ? error.message : String(error)}\n`)
    await stop()
    return 1
  }
}

async function setStage(
  narrator: Narrator,
  at: {
    readonly tls: string
    readonly xmppSide: number
    readonly s2s: number
    readonly sipSide: number
    readonly gatewaySip: number
  },
): Promise<Stage> {
  const domain = parseDomain(XMPP_DOMAIN)
  const juliet = parseJid(JULIET)
  if (!domain.ok || !juliet.ok) throw new Error('the names of the demonstration are not addresses')
  const stanzas = new Heard<Stanza>()
  const messages = new Heard<SipMessageHeard>()
  const asked = new Heard<{ watcher: string; user: string }>()
  const ceased = new Heard<{ watcher: string; user: string }>()
  const learned = new Heard<PresenceLearned>()
  const xmpp = new XmppSide({
    domain: domain.value,
    listen: `127.0.0.1:${at.xmppSide}`,
    edge: { host: '127.0.0.1', port: at.s2s },
    cert: readFileSync(join(at.tls, `${XMPP_DOMAIN}.crt`), 'utf8'),
    key: readFileSync(join(at.tls, `${XMPP_DOMAIN}.key`), 'utf8'),
    log: silentLog,
    heard: (stanza) => stanzas.put(stanza),
  })
  const sip = new SipSide({
    domain: SIP_DOMAIN,
    address: { transport: 'tcp', host: '127.0.0.1', port: at.sipSide },
    gateway: { transport: 'tcp', host: '127.0.0.1', port: at.gatewaySip },
    log: silentLog,
    heardMessage: (from, to, text, request) => messages.put({ from, to, text, request }),
    asked: (watcher, user) => asked.put({ watcher, user }),
    ceased: (watcher, user) => ceased.put({ watcher, user }),
    learned: (watcher, contact, state, document) => learned.put({ watcher, contact, state, document }),
  })
  xmpp.addUser(juliet.value)
  sip.addUser(ROMEO)
  await xmpp.listen()
  await sip.listen()
  return { xmpp, sip, narrator, stanzas, messages, asked, ceased, learned, juliet: juliet.value, romeo: ROMEO }
}
