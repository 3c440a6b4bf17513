import { writeFileSync } from "node:fs";
import { createAuthority, issueServerCertificate } from "../../../src/coord/certificates/ca.ts";
import { eventually } from "./eventually.ts";
import type { LabHost } from "./lab-host.ts";

/**
 * Starts nginx on `host`: it ends TLS on port 443 of `address`, with a certificate by a CA of its own, and hands on to
 * `upstream` (`127.0.0.1:8443`), as docs/reverse-proxy.md has it.
 * @returns the file with the CA's certificate, which all hosts can read
 */
export async function startNginx(host: LabHost, address: string, upstream: string): Promise<string> {
  const directory = host.scratchDirectory;
  const authority = await createAuthority("somebody else", Date.now());
  const { certificatePem, privateKeyPem } = await issueServerCertificate(authority, [address], Date.now());
  const file = (name: string, text: string) => {
    writeFileSync(`${directory}/${name}`, text, { mode: 0o600 });
    return `${directory}/${name}`;
  };
  const configuration = `
    daemon off; master_process off; user root; pid ${directory}/nginx.pid; error_log stderr;
    events { worker_connections 4096; }
    http {
      access_log off;
      client_body_temp_path ${directory}/body; proxy_temp_path ${directory}/proxy; fastcgi_temp_path ${directory}/fastcgi;
      uwsgi_temp_path ${directory}/uwsgi; scgi_temp_path ${directory}/scgi;
      map $http_upgrade $connection_upgrade { default upgrade; "" close; }
      server {
        listen ${address}:443 ssl;
        ssl_certificate ${file("nginx.crt", certificatePem)};
        ssl_certificate_key ${file("nginx.key", privateKeyPem)};
        location / {
          proxy_pass http://${upstream};
          proxy_http_version 1.1;
          proxy_set_header Host $host;
          proxy_set_header Upgrade $http_upgrade;
          proxy_set_header Connection $connection_upgrade;
          proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }
      }
    }`;
  const nginx = await host.start("nginx", ["-c", file("nginx.conf", configuration)]);
  await eventually("nginx listens", async () => {
    if (!nginx.isRunning) throw new Error(nginx.tail());
    return (await host.must("ss", "-Hltn", "sport = :443")) !== "";
  });
  return file("nginx-ca.pem", authority.certificatePem);
}
