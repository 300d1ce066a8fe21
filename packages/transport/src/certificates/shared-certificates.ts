import { hash } from 'node:crypto'
import { RecentMap } from '@stox/kernel'
import { readCertificate } from './certificate.ts'
import { describeCertificate } from './describe-certificate.ts'
import type { CertificateDescription } from './describe-certificate.ts'

/** Ours is on every stream, and a partner's on all of its own. */
const MOST_REMEMBERED = 1000

const keyOf = (der: Uint8Array): string => hash('sha256', der, 'base64')

const descriptions = new RecentMap<string, CertificateDescription>(MOST_REMEMBERED)
const chains = new RecentMap<string, readonly Uint8Array[]>(MOST_REMEMBERED)

/** What there is to say of a certificate, held once for all streams that have it; undefined: it cannot be read. */
export function describedOnce(der: Uint8Array | undefined): CertificateDescription | undefined {
  if (der === undefined) return undefined
  const key = keyOf(der)
  const known = descriptions.get(key)
  if (known !== undefined) return known
  const read = readCertificate(der)
  if (!read.ok) return undefined
  const description = describeCertificate(read.value)
  descriptions.set(key, description)
  return description
}

/** The same bytes are held once. */
export function heldOnce(chain: readonly Uint8Array[]): readonly Uint8Array[] {
  if (chain.length === 0) return chain
  const key = chain.map(keyOf).join(' ')
  const known = chains.get(key)
  if (known === undefined) chains.set(key, chain)
  return known ?? chain
}
