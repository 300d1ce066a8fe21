import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface KeyPair {
  readonly cert: string
  readonly key: string
}

const openssl = (...args: readonly string[]): void => {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'], timeout: 20_000 })
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

/** A certificate that only its own key vouches for, as a partner proven by dialback may have. */
export function selfSigned(dir: string, name: string, hosts: readonly string[]): KeyPair {
  const pair = { cert: join(dir, `${name}.crt`), key: join(dir, `${name}.key`) }
  const names = `subjectAltName=${hosts.map((host) => `DNS:${host}`).join(',')}`
  openssl(
    'req',
    '-x509',
    ...NEW_KEY,
    '-days',
    '3',
    '-keyout',
    pair.key,
    '-out',
    pair.cert,
    '-subj',
    `/CN=${hosts[0]}`,
    '-addext',
    names,
  )
  return pair
}

/** A throw-away CA and what it signs. */
export class TestCa {
  readonly cert: string
  readonly #dir: string
  readonly #key: string

  constructor(dir: string, name: string) {
    this.#dir = dir
    this.cert = join(dir, `${name}.crt`)
    this.#key = join(dir, `${name}.key`)
    const ca = ['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign,cRLSign']
    openssl(
      'req',
      '-x509',
      ...NEW_KEY,
      '-days',
      '3',
      '-keyout',
      this.#key,
      '-out',
      this.cert,
      '-subj',
      `/CN=${name}`,
      ...ca,
    )
  }

  issue(name: string, hosts: readonly string[]): KeyPair {
    const pair = { cert: join(this.#dir, `${name}.crt`), key: join(this.#dir, `${name}.key`) }
    const request = join(this.#dir, `${name}.csr`)
    const extensions = join(this.#dir, `${name}.ext`)
    const names = hosts.map((host) => (/^[\d.]+$/.test(host) ? `IP:${host}` : `DNS:${host}`)).join(',')
    writeFileSync(
      extensions,
      `subjectAltName=${names}\nextendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=CA:FALSE\n`,
    )
    openssl('req', ...NEW_KEY, '-keyout', pair.key, '-out', request, '-subj', `/CN=${hosts[0]}`)
    const ca = ['-CA', this.cert, '-CAkey', this.#key, '-CAcreateserial']
    openssl('x509', '-req', '-in', request, ...ca, '-days', '3', '-out', pair.cert, '-extfile', extensions)
    return pair
  }
}
