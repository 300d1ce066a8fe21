import { BlockList, isIP } from 'node:net'

/** `::ffff:127.0.0.1` is 127.0.0.1 on a socket that speaks both. */
const plain = (address: string): string =>
  address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address

export const isPeer = (text: string): boolean => {
  const [address = '', prefix] = text.split('/')
  const family = isIP(address)
  return (
    family !== 0 && (prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128)))
  )
}

/** The addresses and networks whose SIP we take. */
export function trustedPeers(peers: readonly string[]): (address: string) => boolean {
  const hosts = new Set<string>()
  const networks = new BlockList()
  let anyNetwork = false
  for (const peer of peers) {
    const [address = '', prefix] = peer.split('/')
    if (prefix === undefined) hosts.add(plain(address))
    else {
      networks.addSubnet(address, Number(prefix), isIP(address) === 6 ? 'ipv6' : 'ipv4')
      anyNetwork = true
    }
  }
  return (remote) => {
    const address = plain(remote)
    return hosts.has(address) || (anyNetwork && networks.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4'))
  }
}
