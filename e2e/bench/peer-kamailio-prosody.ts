import { PORTS, SIP } from '../src/stage.ts'
import { selfSigned } from '../src/certificates.ts'
import { startKamailioGateway } from './kamailio-gateway.ts'
import { SipLoad } from './load-sip.ts'
import { XmppLoad } from './load-xmpp.ts'
import type { Bench } from './measure.ts'
import type { MessageOptions, System } from './message-system.ts'

const LOAD = 'rival-load.example'
const SECRET = 'only-for-the-benchmark'
const COMPONENT_PORT = 22_347

/**
 * What an administrator runs for the same job today: Prosody towards the world, and Kamailio's module `xmpp` as its
 * component. No outcomes: SIP hears 200 as soon as the message is in a pipe, so a message counts as arrived or lost.
 */
export async function kamailioProsody({ stage }: Bench, { transport }: MessageOptions): Promise<System> {
  const { at } = stage
  const [partner, users] = [
    { host: at.stranger, port: PORTS.s2s },
    { host: at.users, port: PORTS.sip },
  ]
  stage.dns.srv.set(`_xmpp-server._tcp.${LOAD}`, [{ port: partner.port, target: LOAD }])
  stage.dns.a.set(LOAD, [partner.host])
  const prosody = await stage.prosody({
    domain: 'rival.example',
    address: at.prosody2,
    users: [],
    mode: 'dialback',
    keyPair: await selfSigned(stage.dir, 'rival', ['rival.example', SIP]),
    globalMore:
      `component_interfaces = { "${at.prosody2}" }\ncomponent_ports = { ${COMPONENT_PORT} }\n` +
      'gc = { mode = "generational" }',
    hostsMore: `Component "${SIP}"\n  component_secret = "${SECRET}"\n  validate_from_addresses = false`,
  })
  const gateway = { host: at.kamailioGateway, port: PORTS.sip }
  const kamailio = await startKamailioGateway({
    dir: stage.dir,
    address: gateway.host,
    port: gateway.port,
    sipDomain: SIP,
    xmppDomain: LOAD,
    server: { host: at.prosody2, port: COMPONENT_PORT, secret: SECRET },
    next: { ...users, transport },
  })
  stage.onEnd(() => kamailio.stop())
  const xmpp = await new XmppLoad({
    domain: LOAD,
    address: partner.host,
    port: partner.port,
    tls: await selfSigned(stage.dir, 'rival-load', [LOAD]),
    edge: { host: at.prosody2, port: PORTS.s2s },
    remote: SIP,
  }).start()
  const sip = await new SipLoad({
    transport,
    address: users.host,
    port: users.port,
    domain: SIP,
    target: gateway,
    remote: LOAD,
  }).start()
  stage.onEnd(() => xmpp.close())
  stage.onEnd(() => sip.close())
  await Promise.all([xmpp.connect(), sip.connect()])
  return {
    name: 'kamailioProsody',
    pids: { kamailio: kamailio.pid(), prosody: prosody.pid() },
    paths: [
      { name: 'xmppToSip', from: xmpp, to: sip, freedBy: 'arrival' },
      { name: 'sipToXmpp', from: sip, to: xmpp, freedBy: 'arrival' },
    ],
  }
}
