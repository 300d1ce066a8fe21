import 'reflect-metadata' // @peculiar/x509 asks for it before it loads
import { webcrypto } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as x509 from '@peculiar/x509'

/** What `stox keys` and the demonstration need: names for the link's two ends, and the XMPP domains the edge serves. */
export interface KeyPlan {
  readonly folder: string
  readonly edgeName: string
  readonly gatewayName: string
  readonly domains: readonly string[]
  readonly validDays: number
}

const curve = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const serverAuth = '1.3.6.1.5.5.7.3.1'
const clientAuth = '1.3.6.1.5.5.7.3.2'

interface Issued {
  readonly certificate: x509.X509Certificate
  readonly keys: webcrypto.CryptoKeyPair
}

async function issue(name: string, kind: 'authority' | 'end', validDays: number, issuer?: Issued): Promise<Issued> {
  const keys = await webcrypto.subtle.generateKey(curve, true, ['sign', 'verify'])
  const notBefore = new Date(Date.now() - 60_000)
  const isIp = /^[\d.]+$|:/.test(name)
  const extensions: x509.Extension[] =
    kind === 'authority'
      ? [
          new x509.BasicConstraintsExtension(true, 0, true),
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        ]
      : [
          new x509.BasicConstraintsExtension(false, undefined, true),
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
          new x509.ExtendedKeyUsageExtension([serverAuth, clientAuth]),
          new x509.SubjectAlternativeNameExtension([{ type: isIp ? 'ip' : 'dns', value: name }]),
        ]
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: Buffer.from(webcrypto.getRandomValues(new Uint8Array(15))).toString('hex'),
    subject: `CN=${name}`,
    issuer: issuer?.certificate.subject ?? `CN=${name}`,
    notBefore,
    notAfter: new Date(notBefore.getTime() + validDays * 86_400_000),
    signingAlgorithm: curve,
    publicKey: keys.publicKey,
    signingKey: issuer?.keys.privateKey ?? keys.privateKey,
    extensions,
  })
  return { certificate, keys }
}

async function keyPem(keys: webcrypto.CryptoKeyPair): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY')
}

/**
 * Makes an inside CA whose key is forgotten at once, keys for the link's two ends, and a certificate for each served
 * domain; files that exist and last for a day more are kept. Keys are readable by their owner alone.
 * @returns the files' folder, and whether anything was made.
 */
export async function makeThrowAwayKeys(plan: KeyPlan): Promise<{ readonly folder: string; readonly made: boolean }> {
  const files = [
    'inside-ca.crt',
    'edge.crt',
    'edge.key',
    'gateway.crt',
    'gateway.key',
    ...plan.domains.flatMap((name) => [`${name}.crt`, `${name}.key`]),
  ]
  if (files.every((file) => existsSync(join(plan.folder, file))) && lastsADay(join(plan.folder, 'inside-ca.crt'))) {
    return { folder: plan.folder, made: false }
  }
  mkdirSync(plan.folder, { recursive: true, mode: 0o700 })
  const authority = await issue('stox inside CA', 'authority', plan.validDays)
  const write = async (file: string, issued: Issued) => {
    const chain = `${issued.certificate.toString('pem')}\n`
    writeFileSync(join(plan.folder, `${file}.crt`), chain)
    writeFileSync(join(plan.folder, `${file}.key`), `${await keyPem(issued.keys)}\n`, { mode: 0o600 })
  }
  await write('edge', await issue(plan.edgeName, 'end', plan.validDays, authority))
  await write('gateway', await issue(plan.gatewayName, 'end', plan.validDays, authority))
  for (const domain of plan.domains) await write(domain, await issue(domain, 'end', plan.validDays, authority))
  // Last: its presence says that the rest is whole.
  writeFileSync(join(plan.folder, 'inside-ca.crt'), `${authority.certificate.toString('pem')}\n`)
  return { folder: plan.folder, made: true }
}

function lastsADay(file: string): boolean {
  return new x509.X509Certificate(readFileSync(file, 'utf8')).notAfter.getTime() > Date.now() + 86_400_000
}
