import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Kamailio, KamailioOptions } from './kamailio.ts'
import { selfSigned, TestCa } from './certificates.ts'
import { Pair, SERVED, type PairOptions } from './pair.ts'
import type { ProsodyOptions } from './prosody.ts'
import type { SipUser } from './sip-user.ts'
import { PORTS, SIP, SIP_TCP, Stage, XMPP, type SipDomain } from './stage.ts'
import type { XmppServer } from './xmpp-server.ts'
import type { XmppUser } from './xmpp-user.ts'
import { describeWithPeers } from './with-peers.ts'

const OPEN_WITHIN_MS = 60_000
const ACT_WITHIN_MS = 60_000

export interface Cast<Xmpp extends string, Sip extends string> {
  readonly xmpp: readonly Xmpp[]
  readonly sip: Readonly<Record<Sip, SipDomain>>
  /** False: watchers of SIP users wait for approval. */
  readonly forceActive?: boolean
  readonly pair?: PairOptions | ((stage: Stage) => PairOptions)
  /** Left out: Prosody. */
  readonly server?: 'ejabberd'
  /**
   * Both servers have a certificate of the same CA, and the XMPP server takes nothing else. `ours`: its own is signed by
   * itself alone.
   */
  readonly hasCertificates?: boolean | 'ours'
  /** More of the XMPP server's configuration. */
  readonly prosody?: Partial<ProsodyOptions>
  /** The SIP server and the gateway speak TLS with each other, with certificates on both sides. */
  readonly sipTls?: boolean
  readonly kamailio?: Pick<KamailioOptions, 'asks' | 'answers' | 'owns' | 'accepts'>
}

/** A stage with everybody on it. */
export interface Scene<Xmpp extends string = string, Sip extends string = string> {
  readonly stage: Stage
  readonly server: XmppServer
  readonly kamailio: Kamailio
  readonly pair: Pair
  readonly xmpp: Readonly<Record<Xmpp, XmppUser>>
  readonly sip: Readonly<Record<Sip, SipUser>>
  /** Who signed for both servers, where they have certificates. */
  readonly ca: TestCa | undefined
}

export async function openScene<Xmpp extends string, Sip extends string>(
  stage: Stage,
  cast: Cast<Xmpp, Sip>,
): Promise<Scene<Xmpp, Sip>> {
  const options = typeof cast.pair === 'function' ? cast.pair(stage) : cast.pair
  const certificates = cast.hasCertificates ? await certificatesFor(stage, cast.hasCertificates) : undefined
  const secured = cast.sipTls === true ? await securedSip(stage) : undefined
  const [server, kamailio, pair] = await Promise.all([
    cast.server === 'ejabberd'
      ? startEjabberd(stage, cast.xmpp)
      : stage.prosody({ users: cast.xmpp, ...certificates?.prosody, ...cast.prosody }),
    stage.kamailio({ forceActive: cast.forceActive ?? true, ...cast.kamailio, ...secured?.kamailio }),
    Pair.start(stage, { ...certificates?.pair, ...options, sip: { ...secured?.sip, ...options?.sip } }),
  ])
  const people = await Promise.all(cast.xmpp.map(async (name) => [name, await stage.xmppUser(server, name)] as const))
  const phones = await Promise.all(
    (Object.entries(cast.sip) as [Sip, SipDomain][]).map(
      async ([name, domain]) => [name, await stage.sipUser(name, domain)] as const,
    ),
  )
  return {
    stage,
    server,
    kamailio,
    pair,
    xmpp: Object.fromEntries(people) as Record<Xmpp, XmppUser>,
    sip: Object.fromEntries(phones) as Record<Sip, SipUser>,
    ca: certificates?.ca,
  }
}

interface Certificates {
  readonly ca: TestCa
  readonly prosody: Pick<ProsodyOptions, 'mode' | 'keyPair' | 'ca'>
  readonly pair: PairOptions
}

/** By dialback over TLS, as the other one without certificates. */
async function startEjabberd(stage: Stage, users: readonly string[]): Promise<XmppServer> {
  const keyPair = await selfSigned(stage.dir, 'ejabberd', [XMPP])
  stage.dns.a.set(XMPP, [stage.at.ejabberd])
  return stage.ejabberd({ hosts: [{ domain: XMPP, users, mode: 'dialback', keyPair }], ca: keyPair.cert })
}

async function certificatesFor(stage: Stage, whose: true | 'ours'): Promise<Certificates> {
  const ca = await TestCa.create(stage.dir, 'public-ca')
  const keyPair = whose === 'ours' ? await selfSigned(stage.dir, 'prosody', [XMPP]) : await ca.issue('prosody', [XMPP])
  const bundle = join(stage.dir, 'ca-and-own.crt')
  writeFileSync(bundle, readFileSync(ca.cert, 'utf8') + readFileSync(keyPair.cert, 'utf8'))
  return {
    ca,
    // Its users go by the same file.
    prosody: { mode: 'certificates', keyPair, ca: whose === 'ours' ? bundle : ca.cert },
    pair: {
      served: { keyPair: await ca.issue('served', SERVED), trustedCas: ca.cert },
      xmpp: { revocations: [ca.revoke([])] },
    },
  }
}

interface SecuredSip {
  readonly kamailio: Pick<KamailioOptions, 'tls'>
  readonly sip: Readonly<Record<string, unknown>>
}

/** Each is known to the other by a certificate for its name; the gateway does not go by the server's address. */
async function securedSip({ at, dir }: Stage): Promise<SecuredSip> {
  const ca = await TestCa.create(dir, 'sip-ca')
  const gateway = await ca.issue('sip-gateway', ['gateway.inside'])
  const route = `sip:${at.kamailio}:${PORTS.sipTls};transport=tls`
  return {
    kamailio: {
      tls: {
        keyPair: await ca.issue('sip-server', [SIP, SIP_TCP]),
        ca: ca.cert,
        port: PORTS.sipTls,
        gatewayPort: PORTS.sipTls,
      },
    },
    sip: {
      listen: [`udp:${at.gateway}:${PORTS.sip}`, `tcp:${at.gateway}:${PORTS.sip}`, `tls:${at.gateway}:${PORTS.sipTls}`],
      tls: { cert: gateway.cert, key: gateway.key, ca: ca.cert },
      domains: [SIP, SIP_TCP].map((domain) => ({ domain, route, profile: 'kamailio' })),
      trustedPeers: [`tls:${SIP}`],
    },
  }
}

export type Act<Xmpp extends string, Sip extends string> = (
  title: string,
  run: (scene: Scene<Xmpp, Sip>) => Promise<void>,
  timeoutMs?: number,
) => void

/** A play: its acts share one stage. Without the real peers it is skipped, on a CI machine it fails. */
export function play<Xmpp extends string, Sip extends string>(
  name: string,
  cast: Cast<Xmpp, Sip>,
  acts: (act: Act<Xmpp, Sip>) => void,
): void {
  describeWithPeers(name, () => {
    let stage: Stage | undefined
    let scene: Scene<Xmpp, Sip> | undefined
    beforeAll(async () => {
      stage = await Stage.open(name)
      try {
        scene = await openScene(stage, cast)
      } catch (error) {
        stage.failed()
        throw error
      }
    }, OPEN_WITHIN_MS)
    afterAll(async () => stage?.close(), OPEN_WITHIN_MS)
    acts((title, run, timeoutMs = ACT_WITHIN_MS) => {
      const perform = async (): Promise<void> => {
        if (scene === undefined) throw new Error('the stage is not open')
        try {
          await run(scene)
        } catch (error) {
          stage?.failed()
          throw error
        }
      }
      test(title, perform, timeoutMs)
    })
  })
}
