import { BlockList, isIP } from 'node:net'
import { normaliseDomain } from '@stox/federation'

/** `::ffff:127.0.0.1` is 127.0.0.1 on a socket that speaks both. */
const plain = (address: string): string =>
  address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address

/** `tls:sip.example`: whoever has proven this domain by its certificate. */
const BY_CERTIFICATE = 'tls:'

export const isPeer = (text: string): boolean => {
  const [address = '', prefix] = text.split('/')
  const family = isIP(address)
  if (text.startsWith(BY_CERTIFICATE)) return normaliseDomain(text.slice(BY_CERTIFICATE.length)) !== undefined
  return (
    family !== 0 && (prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128)))
  )
}

/** Those whose SIP we take: by address or network, or by a domain that their certificate has proven. */
export function trustedPeers(peers: readonly string[]): (address: string, names?: readonly string[]) => boolean {
  const hosts = new Set<string>()
  const domains = new Set<string>()
  const networks = new BlockList()
  let anyNetwork = false
  for (const peer of peers) {
    const [address = '', prefix] = peer.split('/')
    if (peer.startsWith(BY_CERTIFICATE)) domains.add(peer.slice(BY_CERTIFICATE.length).toLowerCase())
    else if (prefix === undefined) hosts.add(plain(address))
    else {
      networks.addSubnet(address, Number(prefix), isIP(address) === 6 ? 'ipv6' : 'ipv4')
      anyNetwork = true
    }
  }
  return (remote, names = []) => {
    const address = plain(remote)
    if (hosts.has(address)) return true
    if (anyNetwork && networks.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')) return true
    return names.some((name) => domains.has(name))
  }
}
