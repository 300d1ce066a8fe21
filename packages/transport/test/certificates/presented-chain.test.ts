import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:tls'
import type { SecureVersion, TLSSocket } from 'node:tls'
import { forgeCertificate } from '@stox/testkit'
import { TrustStore, checkPath, presentedChain } from '@stox/transport'

const SERVER = '1.3.6.1.5.5.7.3.1'
const root = forgeCertificate({ subject: 'Root', authority: { isAuthority: true }, keyUsage: 0x06 })
const middle = forgeCertificate({ subject: 'Middle', authority: { isAuthority: true }, keyUsage: 0x06, issuer: root })
const leaf = forgeCertificate({ names: [{ kind: 'dns', text: 'a.example' }], issuer: middle, purposes: [SERVER] })
const forged = forgeCertificate({ names: [{ kind: 'dns', text: 'a.example' }], purposes: [SERVER] })

/** What the accepting side, then the connecting one, sees of the other. */
async function bothSides(cert: string, key: string, maxVersion: SecureVersion) {
  const server = createServer({ cert, key, requestCert: true, rejectUnauthorized: false }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const accepted = once(server, 'secureConnection') as Promise<[TLSSocket]>
  const outbound = connect({ port, host: '127.0.0.1', cert, key, maxVersion, rejectUnauthorized: false })
  const [inbound] = await accepted
  const seen = [inbound, outbound].map(presentedChain)
  const closed = [inbound, outbound].map((socket) => once(socket, 'close'))
  for (const socket of [inbound, outbound]) socket.destroy()
  await Promise.all(closed)
  server.close()
  return { seen, error: inbound.authorizationError as unknown }
}

test.each(['TLSv1.2', 'TLSv1.3'] as const)('%s: the chain as it was sent, on both sides', async (version) => {
  const { seen } = await bothSides(leaf.cert + middle.cert + root.cert, leaf.key, version)
  for (const chain of seen) expect(chain).toEqual([leaf.der, middle.der, root.der])
})

test('a chain without end is not followed for long', async () => {
  const { seen } = await bothSides(leaf.cert + middle.cert.repeat(20), leaf.key, 'TLSv1.3')
  for (const chain of seen) expect(chain).toHaveLength(11)
})

test('mapping F.4: where Node tells the purpose only, the path tells the forged from the good', async () => {
  const store = await TrustStore.open({ kind: 'pem', pem: root.cert })
  if (!store.ok) throw new Error(store.failure.detail)
  const verdicts = []
  for (const [cert, key] of [
    [leaf.cert + middle.cert, leaf.key],
    [forged.cert, forged.key],
  ] as const) {
    const { seen, error } = await bothSides(cert, key, 'TLSv1.3')
    const verdict = checkPath(seen[0]!, store.value.anchors, Date.now())
    verdicts.push([error, verdict.ok ? 'ok' : verdict.failure.kind])
  }
  expect(verdicts).toEqual([
    ['INVALID_PURPOSE', 'ok'],
    ['INVALID_PURPOSE', 'self-signed'],
  ])
})

test('a peer that sends none', () => expect(presentedChain({ getPeerX509Certificate: () => undefined })).toEqual([]))
