import { selfSigned, TestCa, type KeyPair } from '../src/certificates.ts'
import { play, type Scene } from '../src/play.ts'
import { CLOSED, S2sPartner, type PartnerStream } from '../src/s2s-partner.ts'
import { listsFailure } from '../src/sessions.ts'
import { statusOf } from '../src/sip-text.ts'
import { PORTS, SIP, XMPP, type Stage } from '../src/stage.ts'
import { isElement } from '../src/xml-text.ts'

/**
 * Partners that shall prove themselves by certificate (row 1 of the matrix), and show something else than a good one.
 * @see mapping F.4, lync.md 6.2
 */

interface Bad {
  readonly what: string
  readonly domain: string
  /** Of its record. */
  readonly pins?: readonly string[]
  issue(scene: Scene, domain: string): Promise<KeyPair>
  /** What the administrator reads. */
  readonly says: RegExp
}

const authorityOf = ({ ca }: Scene): TestCa => {
  if (ca === undefined) throw new Error('the play has certificates')
  return ca
}

const BAD: readonly Bad[] = [
  {
    what: 'expired',
    domain: 'expired.example',
    issue: (scene, domain) => authorityOf(scene).issue(domain, [domain], { validDays: 0.0001 }),
    says: /expired/i,
  },
  {
    what: 'self-signed',
    domain: 'self.example',
    issue: ({ stage }, domain) => selfSigned(stage.dir, domain, [domain]),
    says: /signed by itself/i,
  },
  {
    what: 'for another name',
    domain: 'wrong-name.example',
    issue: (scene, domain) => authorityOf(scene).issue(domain, ['somebody-else.example']),
    says: /somebody-else\.example/i,
  },
  {
    what: 'for clients alone',
    domain: 'wrong-purpose.example',
    issue: (scene, domain) => authorityOf(scene).issue(domain, [domain], { purposes: ['clientAuth'] }),
    says: /purpose|server/i,
  },
  {
    what: 'of a foreign authority',
    domain: 'foreign.example',
    issue: async ({ stage }, domain) => (await TestCa.create(stage.dir, 'foreign-ca')).issue(domain, [domain]),
    says: /issuer/i,
  },
  {
    what: 'of another key than the record names',
    domain: 'other-key.example',
    pins: ['AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='],
    issue: (scene, domain) => authorityOf(scene).issue(domain, [domain]),
    says: /has the pin \S{44}, which is not in the partner record/,
  },
]
const GOOD = 'good.example'
const PORT = 22_300
const DOMAINS = [GOOD, ...BAD.map(({ domain }) => domain)]
const portOf = (domain: string): number => PORT + DOMAINS.indexOf(domain)

const partners = (stage: Stage): readonly Readonly<Record<string, unknown>>[] => [
  { domain: XMPP, partnerType: 'federated' },
  ...DOMAINS.map((domain) => ({
    domain,
    partnerType: 'federated',
    proxy: { host: stage.at.partner, port: portOf(domain) },
    certificatePins: BAD.find((bad) => bad.domain === domain)?.pins ?? [],
  })),
]

async function partnerWith({ stage }: Scene, domain: string, tls: KeyPair): Promise<S2sPartner> {
  const edge = { host: stage.at.edge, port: PORTS.s2s }
  const options = { domain, address: stage.at.partner, port: portOf(domain), edge, version: '1.0', tls } as const
  const partner = await new S2sPartner(options).start()
  stage.onEnd(() => partner.stop())
  return partner
}

async function secured(partner: S2sPartner, from = partner.options.domain): Promise<PartnerStream> {
  const stream = await partner.dial()
  stream.polite = false
  await stream.open(SIP, from)
  await stream.upgrade(SIP)
  return stream
}

let honest = 0
async function honestMessagePasses({ xmpp, sip }: Scene<'juliet', 'romeo'>): Promise<void> {
  honest += 1
  xmpp.juliet.message(`romeo@${SIP}`, `honest ${honest}`)
  await sip.romeo.hears(`honest ${honest}`)
}

const AUTH = `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>`
const cast = {
  xmpp: ['juliet'],
  sip: { romeo: SIP },
  hasCertificates: true,
  pair: (stage: Stage) => ({ partners: partners(stage) }),
} as const

play('hostile-certificates', cast, (act) => {
  for (const { what, domain, issue, says } of BAD) {
    act(`RFC 6120 §13.7.2: a certificate ${what}: refused when it comes`, async (scene) => {
      const partner = await partnerWith(scene, domain, await issue(scene, domain))
      const sinceMs = Date.now()
      await scene.pair.countsRefusal('edge', 'certificate', async () => {
        const stream = await secured(partner)
        stream.write(stream.header(SIP, domain))
        expect(await stream.ended()).toBe('not-authorized')
        await stream.next('the end of the connection', (xml) => xml === CLOSED)
      })
      await listsFailure(scene.pair, sinceMs, { direction: 'inbound', remoteDomain: domain, reason: says })
      await honestMessagePasses(scene)
      await partner.stop()
    })

    act(`RFC 6120 §13.7.2: a certificate ${what}: refused when we come, and the sender told`, async (scene) => {
      const { pair, sip } = scene
      const partner = await partnerWith(scene, domain, await issue(scene, domain))
      const labels = { direction: 'outbound' }
      const before = await pair.metric('edge', 'stox_stream_failures_total', labels)
      const sinceMs = Date.now()
      expect(statusOf(await sip.romeo.message(`sip:mercutio@${domain}`, 'for your eyes only'))).toBe(504)
      expect(await pair.metric('edge', 'stox_stream_failures_total', labels)).toBe(before + 1)
      await listsFailure(pair, sinceMs, { direction: 'outbound', remoteDomain: domain, reason: says })
      expect(partner.heard.all).toEqual([])
      await honestMessagePasses(scene)
      await partner.stop()
    })
  }

  act('XEP-0178 §3: a good certificate is good for its own domain alone', async (scene) => {
    const partner = await partnerWith(scene, GOOD, await authorityOf(scene).issue(GOOD, [GOOD]))
    await scene.pair.countsRefusal('edge', 'certificate', async () => {
      const stream = await secured(partner, XMPP)
      stream.write(stream.header(SIP, XMPP))
      expect(await stream.ended()).toBe('not-authorized')
    })
    await scene.pair.countsRefusal('edge', 'sasl-refused', async () => {
      const stream = await secured(partner)
      await stream.open(SIP, GOOD)
      stream.write(AUTH.replace('>=<', `>${Buffer.from(XMPP).toString('base64')}<`))
      const answer = await stream.next('a failure', (xml) => isElement(xml, 'failure'))
      expect(answer).toContain('invalid-authzid')
    })
    await honestMessagePasses(scene)
    await partner.stop()
  })

  act('RFC 6120 §4.7.1: another domain after STARTTLS, and after SASL', async (scene) => {
    const partner = await partnerWith(scene, GOOD, await authorityOf(scene).issue(GOOD, [GOOD]))
    const sinceMs = Date.now()
    await scene.pair.countsRefusal('edge', 'improper-addressing', async () => {
      const stream = await secured(partner)
      stream.write(stream.header(SIP, XMPP))
      expect(await stream.ended()).toBe('improper-addressing')
    })
    await scene.pair.countsRefusal('edge', 'improper-addressing', async () => {
      const stream = await secured(partner)
      await stream.open(SIP, GOOD)
      stream.write(AUTH)
      await stream.next('success', (xml) => isElement(xml, 'success'))
      stream.restart()
      stream.write(stream.header(SIP, XMPP))
      expect(await stream.ended()).toBe('improper-addressing')
    })
    await listsFailure(scene.pair, sinceMs, { direction: 'inbound', remoteDomain: XMPP, reason: /./ })
    await honestMessagePasses(scene)
    await partner.stop()
  })

  act('RFC 6120 §8.1.2.2: stanzas of another domain after SASL', async (scene) => {
    const partner = await partnerWith(scene, GOOD, await authorityOf(scene).issue(GOOD, [GOOD]))
    await scene.pair.countsRefusal('edge', 'invalid-from', async () => {
      const stream = await secured(partner)
      await stream.open(SIP, GOOD)
      stream.write(AUTH)
      await stream.next('success', (xml) => isElement(xml, 'success'))
      stream.restart()
      await stream.open(SIP, GOOD)
      stream.write(`<message from='juliet@${XMPP}' to='romeo@${SIP}'><body>evil</body></message>`)
      expect(await stream.ended()).toBe('invalid-from')
    })
    await honestMessagePasses(scene)
    await scene.sip.romeo.heard.never('anything evil', (one) => one.body.includes('evil'), 50)
    await partner.stop()
  })
})
