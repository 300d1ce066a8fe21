import type { Authority, Certificate } from '@stox/testkit'
import { forgeCertificate, forgeRevocationList, makeAuthority, makeCertificate, newForgedKeys } from '@stox/testkit'
import {
  NO_LISTS,
  RevocationLists,
  TlsIdentity,
  TrustStore,
  certificateJudge,
  pinOf,
  readCertificate,
  readRevocationList,
  systemClock,
} from '@stox/transport'
import { X509Certificate } from 'node:crypto'
import { RULES, TableResolver, TestServer } from './xmpp-support.ts'

const ROMEO = 'montague.example'
const JULIET = 'capulet.example'

let authority: Authority
let trust: TrustStore
beforeAll(async () => {
  authority = await makeAuthority('the authority')
  const opened = await TrustStore.open({ kind: 'pem', pem: authority.cert })
  if (!opened.ok) throw new Error(opened.failure.detail)
  trust = opened.value
})

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()))
})

const pin = ({ cert }: Certificate): string => {
  const read = readCertificate(new X509Certificate(cert).raw)
  if (!read.ok) throw new Error(read.failure.detail)
  return pinOf(read.value)
}

/** Its pins and its lists may change while it runs. */
class Server extends TestServer {
  readonly rules: { pins: readonly string[]; lists: RevocationLists }

  constructor(name: string, resolver: TableResolver, certificate: Certificate, trusted: TrustStore) {
    const tls = TlsIdentity.of([{ domains: [name], ...certificate }])
    if (!tls.ok) throw new Error(JSON.stringify(tls.failure))
    const rules = { pins: [] as readonly string[], lists: NO_LISTS }
    const judgeCertificate = certificateJudge(trusted, systemClock, { pinsOf: () => rules.pins, revocations: rules })
    super(name, resolver, { tls: tls.value, judgeCertificate })
    this.rules = rules
  }
}

async function two(certificates: readonly [Certificate, Certificate], trusted = trust) {
  const resolver = new TableResolver()
  const made = [ROMEO, JULIET].map((name, at) => new Server(name, resolver, certificates[at]!, trusted))
  for (const each of made) {
    await each.listen()
    closing.push(() => each.endpoint.close())
    const port = { priority: 10, weight: 0, port: each.port, target: `x.${each.domain}` }
    resolver.srvRecords.set(`_xmpp-server._tcp.${each.domain}`, [port])
    resolver.hosts.set(`x.${each.domain}`, ['127.0.0.1'])
  }
  const [romeo, juliet] = made as [Server, Server]
  romeo.partners.set(JULIET, RULES.saslOnly)
  juliet.partners.set(ROMEO, RULES.saslOnly)
  return { romeo, juliet }
}

const selfSigned = (name: string): Promise<Certificate> => makeCertificate({ names: [name] })
const signed = (name: string): Promise<Certificate> => makeCertificate({ names: [name], issuer: authority })

describe('mapping F.4: pins of the partner record', () => {
  test('self-signed on both sides, and SASL EXTERNAL both ways', async () => {
    const [ours, theirs] = await Promise.all([selfSigned(ROMEO), selfSigned(JULIET)])
    const { romeo, juliet } = await two([ours, theirs])
    romeo.rules.pins = [pin(theirs)]
    juliet.rules.pins = [pin(await selfSigned(ROMEO)), pin(ours)]
    expect(await romeo.send(juliet.domain, 'm1')).toMatchObject({ kind: 'sent' })
    await juliet.until(() => juliet.arrived.length === 1)
    expect(juliet.arrived[0]?.context).toMatchObject({ peer: { domain: ROMEO, provenBy: 'sasl-external' } })
  })

  test.each([
    ['we go to them', 'out', 0],
    ['they come to us', 'in', 1],
  ] as const)(
    'a certificate of a trusted authority with another key proves nothing: %s',
    async (_name, direction, sender) => {
      const [ours, theirs] = await Promise.all([signed(ROMEO), signed(JULIET)])
      const { romeo, juliet } = await two([ours, theirs])
      romeo.rules.pins = [pin(await selfSigned(JULIET))]
      const [from, to] = sender === 0 ? [romeo, juliet] : [juliet, romeo]
      expect(await from.send(to.domain, 'm1')).toMatchObject({ kind: 'failed' })
      await romeo.until(() => romeo.endpoint.failures().length === 1)
      const [failure] = romeo.endpoint.failures()
      expect(failure).toMatchObject({ direction, stage: 'certificate', reason: 'certificate-not-pinned' })
      expect(failure?.sentence).toContain(`has the pin ${pin(theirs)}, which is not in the partner record`)
    },
  )

  test('a stream ends with reset when the record gets other pins, and stays when they name its key', async () => {
    const [ours, theirs] = await Promise.all([signed(ROMEO), signed(JULIET)])
    const { romeo, juliet } = await two([ours, theirs])
    await romeo.send(juliet.domain, 'm1')
    await juliet.until(() => juliet.arrived.length === 1)
    romeo.rules.pins = [pin(theirs)]
    await romeo.endpoint.recheckCertificates()
    expect(await romeo.send(juliet.domain, 'm2')).toMatchObject({ kind: 'sent' })
    expect(romeo.ups).toHaveLength(1)
    romeo.rules.pins = [pin(ours)]
    await romeo.endpoint.recheckCertificates((domain) => domain === ROMEO)
    expect(romeo.downs).toEqual([])
    await romeo.endpoint.recheckCertificates((domain) => domain === JULIET)
    await romeo.until(() => romeo.downs.length === 1)
    await juliet.until(() => juliet.downs.length === 1)
    expect(romeo.endpoint.failures()).toMatchObject([{ reason: 'certificate-not-pinned', wasEstablished: true }])
    expect(juliet.endpoint.failures()).toMatchObject([{ reason: 'peer-reset' }])
  })
})

test('XEP-0288 §4: a stream of both directions that dialback has proven to them rests on their certificate', async () => {
  const { romeo, juliet } = await two([await selfSigned(ROMEO), await signed(JULIET)])
  romeo.partners.set(JULIET, RULES.saslOrDialback)
  juliet.partners.set(ROMEO, RULES.saslOrDialback)
  expect(await romeo.send(juliet.domain, 'm1')).toMatchObject({ kind: 'sent' })
  await juliet.until(() => juliet.arrived.length === 1)
  const stream = romeo.endpoint.streams().find(({ direction, purpose }) => direction === 'out' && purpose === 'stanzas')
  expect(stream).toMatchObject({ bidirectional: true, pairs: [{ provenBy: 'dialback-over-tls' }] })
  romeo.rules.pins = [pin(await selfSigned(JULIET))]
  await romeo.endpoint.recheckCertificates()
  await romeo.until(() => romeo.endpoint.failures().length === 1)
  expect(romeo.endpoint.failures()).toMatchObject([{ reason: 'certificate-not-pinned', direction: 'out' }])
})

describe('mapping F.4, B.5: what an authority has revoked', () => {
  const NAMES = { montague: [{ kind: 'dns', text: ROMEO }], capulet: [{ kind: 'dns', text: JULIET }] } as const
  const root = forgeCertificate({ subject: 'Root', authority: { isAuthority: true }, keyUsage: 0x06 })
  const server = (names: (typeof NAMES)[keyof typeof NAMES]) =>
    forgeCertificate({ names, issuer: root, keyUsage: 0x80, keys: newForgedKeys() })
  const montague = server(NAMES.montague)
  const capulet = server(NAMES.capulet)
  const listOf = (revoked: readonly (typeof capulet)[]): RevocationLists => {
    const read = readRevocationList(forgeRevocationList({ issuer: root, revoked }).der)
    return new RevocationLists(read.ok ? [read.value] : [])
  }
  const opened = async () => {
    const store = await TrustStore.open({ kind: 'pem', pem: root.cert })
    if (!store.ok) throw new Error(store.failure.detail)
    return two([montague, capulet], store.value)
  }

  test.each([
    ['ours', 'out'],
    ['theirs', 'in'],
  ] as const)(
    'a stream of %s ends with reset once the list has its certificate, and no other comes up',
    async (_name, direction) => {
      const { romeo, juliet } = await opened()
      const [from, to] = direction === 'out' ? [romeo, juliet] : [juliet, romeo]
      expect(await from.send(to.domain, 'm1')).toMatchObject({ kind: 'sent' })
      await to.until(() => to.arrived.length === 1)
      romeo.rules.lists = listOf([montague])
      await romeo.endpoint.recheckCertificates()
      expect(romeo.downs).toEqual([])
      romeo.rules.lists = listOf([capulet])
      await romeo.endpoint.recheckCertificates()
      await romeo.until(() => romeo.downs.length === 1)
      await juliet.until(() => juliet.endpoint.failures().length === 1)
      expect(juliet.endpoint.failures()).toMatchObject([{ reason: 'peer-reset' }])
      expect(romeo.endpoint.failures()).toMatchObject([
        {
          direction,
          reason: 'certificate-revoked',
          sentence: 'The certificate of “CN=capulet.example” has been revoked by “CN=Root”',
          wasEstablished: true,
        },
      ])
      expect(await from.send(to.domain, 'm2')).toMatchObject({ kind: 'failed' })
      expect(romeo.endpoint.failures().every(({ reason }) => reason === 'certificate-revoked')).toBe(true)
    },
  )
})
