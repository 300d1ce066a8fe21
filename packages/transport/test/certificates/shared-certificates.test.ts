import { X509Certificate } from 'node:crypto'
import { makeCertificate } from '@stox/testkit'
import { describedOnce, heldOnce } from '../../src/certificates/shared-certificates.ts'

const derOfNew = async (name: string): Promise<Uint8Array> =>
  new X509Certificate((await makeCertificate({ names: [name] })).cert).raw

test('streams with the same certificate share what is known of it', async () => {
  const [one, other] = [await derOfNew('sip.example'), await derOfNew('montague.example')]
  expect(describedOnce(new Uint8Array(one))).toBe(describedOnce(new Uint8Array(one)))
  expect(describedOnce(one)?.names).toEqual(['sip.example'])
  expect(describedOnce(other)?.names).toEqual(['montague.example'])
  expect(heldOnce([new Uint8Array(one), other])).toBe(heldOnce([one, other]))
  expect(heldOnce([one])).not.toBe(heldOnce([one, other]))
})

test('what is no certificate is not described', () => {
  expect(describedOnce(undefined)).toBeUndefined()
  expect(describedOnce(new Uint8Array([1, 2, 3]))).toBeUndefined()
  expect(heldOnce([])).toEqual([])
})
