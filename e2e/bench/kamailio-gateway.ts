import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Child } from '../src/child.ts'
import { renderFile } from '../src/render.ts'
import { e2ePath } from '../src/root.ts'
import { patchedXmppModule } from './xmpp-module.ts'

export interface KamailioGatewayOptions {
  readonly dir: string
  readonly address: string
  readonly port: number
  readonly sipDomain: string
  readonly xmppDomain: string
  /** The XMPP server whose component it is. */
  readonly server: { readonly host: string; readonly port: number; readonly secret: string }
  /** Where SIP goes. */
  readonly next: { readonly host: string; readonly port: number; readonly transport: 'udp' | 'tcp' }
}

/** Transactions stay for seconds after their answer: at full rate that is much; untouched memory costs nothing. */
const SHARED_MIB = 2048
const PRIVATE_MIB = 16

/** Kamailio's module `xmpp` as a component of an XMPP server: what is used for the same job today. */
export async function startKamailioGateway(options: KamailioGatewayOptions): Promise<Child> {
  const { address, port, server, next } = options
  const dir = join(options.dir, 'kamailio-gateway')
  mkdirSync(dir, { recursive: true })
  const config = join(dir, 'kamailio.cfg')
  renderFile(e2ePath('conf', 'kamailio-xmpp.cfg'), config, {
    ADDRESS: address,
    PORT: port,
    SIP_DOMAIN: options.sipDomain,
    XMPP_DOMAIN: options.xmppDomain,
    XMPP_SO: patchedXmppModule(join(dir, 'xmpp.so')),
    XMPP_HOST: server.host,
    XMPP_PORT: server.port,
    SECRET: server.secret,
    SIP_NEXT: `sip:${next.host}:${next.port};transport=${next.transport}`,
  })
  const args = ['-DD', '-f', config, '-Y', dir, '-m', String(SHARED_MIB), '-M', String(PRIVATE_MIB)]
  const child = new Child({ name: 'kamailio-gateway', command: 'kamailio', args, logDir: options.dir })
  await child.listening(address, port)
  return child
}
