import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'

/**
 * The certificates that the peer sent, its own first, in its order; of either side of a connection. `checkPath` refuses
 * more than ten, so that one more is all that has to be known.
 */
export function presentedChain(socket: Pick<TLSSocket, 'getPeerX509Certificate'>): readonly Uint8Array[] {
  const chain: Uint8Array[] = []
  let certificate: X509Certificate | undefined = socket.getPeerX509Certificate()
  while (certificate !== undefined && chain.length <= 10) {
    chain.push(certificate.raw)
    certificate = certificate.issuerCertificate
  }
  return chain
}
