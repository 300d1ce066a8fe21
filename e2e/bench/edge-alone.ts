import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { TestCa, type KeyPair } from '../src/certificates.ts'
import { Pair, SERVED, type PairOptions } from '../src/pair.ts'
import { PORTS, XMPP } from '../src/stage.ts'
import { PEOPLE, textOf } from './load-end.ts'
import type { Bench } from './measure.ts'
import { NullGateway } from './null-gateway.ts'

/** The partner, and the domains below it are partners too. */
export const LOAD = 'load.example'
/** Served by Prosody, which sends on what comes for it. */
export const RELAY = 'relay.example'

export interface Keys {
  readonly authority: TestCa
  readonly ca: string
  readonly served: KeyPair
  readonly load: KeyPair
  readonly prosody: KeyPair
}

/** One authority that all trust: the edge and Prosody take certificates and nothing else. */
export async function keysFor({ stage }: Bench): Promise<Keys> {
  const ca = await TestCa.create(stage.dir, 'bench-ca')
  return {
    authority: ca,
    ca: ca.cert,
    served: await ca.issue('bench-served', SERVED),
    load: await ca.issue('bench-load', [LOAD, `*.${LOAD}`]),
    prosody: await ca.issue('bench-prosody', [XMPP, RELAY]),
  }
}

export interface EdgeAlone {
  readonly pair: Pair
  readonly nullGateway: NullGateway
  close(): Promise<void>
}

/** An edge and a null gateway: nothing else of the product runs. `more` is for a model that is not as in the other modes. */
export async function edgeAlone(
  { stage }: Bench,
  keys: Keys,
  domains: readonly string[],
  more: Pick<PairOptions, 'partners' | 'settings'> = {},
): Promise<EdgeAlone> {
  // What an edge of before remembers is not for this one.
  rmSync(join(stage.dir, 'replica.json'), { force: true })
  const pair = await Pair.prepare(stage, {
    served: { keyPair: keys.served, trustedCas: keys.ca },
    settings: more.settings ?? { connectionLimit: 10 + 2 * domains.length },
    partners: [
      ...domains.map((domain) => ({
        domain,
        partnerType: 'federated',
        proxy: { host: stage.at.partner, port: PORTS.s2s },
      })),
      ...(more.partners ?? []),
    ],
  })
  await pair.start('edge')
  const nullGateway = await NullGateway.start(pair.files)
  stage.onEnd(() => nullGateway.close())
  await pair.ready(['edge'])
  const close = async (): Promise<void> => {
    await nullGateway.close()
    await pair.stop()
  }
  return { pair, nullGateway, close }
}

/** Load of the firehose: between so many pairs of people, as in the other modes. */
export const stanzasTo = (remote: string, domain: string, count = PEOPLE): readonly string[] =>
  Array.from({ length: count }, (_none, index) => {
    const from = `u${index % PEOPLE}@${domain}/load`
    const to = `s${index % PEOPLE}@${remote}`
    return `<message from='${from}' to='${to}' id='l${index}' type='chat'><body>${textOf(index)}</body></message>`
  })
