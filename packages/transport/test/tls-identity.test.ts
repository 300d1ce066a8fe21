import type { Certificate } from '@stox/testkit'
import { makeCertificate } from '@stox/testkit'
import { TlsIdentity } from '@stox/transport'

let one: Certificate
let two: Certificate
beforeAll(async () => {
  one = await makeCertificate({ names: ['a.example'] })
  two = await makeCertificate({ names: ['b.example'] })
})

test('a context for each domain, whatever its spelling', () => {
  const identity = TlsIdentity.of([
    { domains: ['a.example', 'Sub.A.example'], ...one },
    { domains: ['b.example'], ...two },
  ])
  if (!identity.ok) throw new Error('refused')
  const { value } = identity
  expect(value.contextFor('a.example')).toBeDefined()
  expect(value.contextFor('SUB.a.example')).toBe(value.contextFor('a.example'))
  expect(value.contextFor('b.example')).not.toBe(value.contextFor('a.example'))
  expect(value.contextFor('c.example')).toBeUndefined()
  expect(value.clientContextFor('c.example')).toBeDefined()
})

test.each([
  ['no certificate', () => ({ domains: ['a.example'], cert: 'x', key: one.key }), 'cert', 'not a certificate'],
  ['no key', () => ({ domains: ['a.example'], cert: one.cert, key: 'x' }), 'key', 'private key'],
  ['the key of another', () => ({ domains: ['a.example'], cert: one.cert, key: two.key }), 'key', 'does not belong'],
])('%s', (_name, entry, field, problem) => {
  expect(TlsIdentity.of([entry()])).toMatchObject({
    ok: false,
    failure: [{ entry: 0, field, problem: expect.stringContaining(problem) }],
  })
})

test('every problem at once', () => {
  const identity = TlsIdentity.of([
    { domains: ['a.example'], cert: 'x', key: 'y' },
    { domains: ['b.example'], ...two },
    { domains: ['b.example'], ...two },
  ])
  expect(identity.ok ? [] : identity.failure.map(({ entry, field }) => [entry, field])).toEqual([
    [0, 'cert'],
    [0, 'key'],
    [2, 'domains'],
  ])
})
