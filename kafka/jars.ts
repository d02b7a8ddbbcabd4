import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { StartupError } from '@stream-processing/runtime/startup-error.ts';

export const KAFKA_VERSION = '4.3.1';
/** What that version's own distribution logs with. */
const LOG4J_VERSION = '2.25.4';

/** The class path of a broker: jars from Maven Central, fetched once by `mvn` with the user's own settings. */
export async function findJars(): Promise<string> {
  const cache = process.env.XDG_CACHE_HOME || path.join(homedir(), '.cache');
  const folder = path.join(cache, 'stream-processing', `kafka-${KAFKA_VERSION}`);
  if (!existsSync(folder)) await fetchJars(folder);
  return path.join(folder, '*');
}

/** Into a folder beside, then moved: two who fetch at once must not meet half a folder. */
async function fetchJars(folder: string): Promise<void> {
  await mkdir(path.dirname(folder), { recursive: true });
  const work = await mkdtemp(`${folder}-`);
  try {
    await writeFile(path.join(work, 'pom.xml'), pom());
    const args = [
      '-q',
      '-B',
      'dependency:copy-dependencies',
      '-DoutputDirectory=jars',
      '-DincludeScope=runtime',
    ];
    await promisify(execFile)('mvn', args, { cwd: work }).catch((error) => {
      if (error.code === 'ENOENT')
        throw new StartupError(
          'mvn is missing: install Maven (Debian: apt-get install maven), or name a cluster by KAFKA_BROKERS',
        );
      throw new StartupError(`mvn could not fetch Kafka ${KAFKA_VERSION}: ${error.stdout || error.message}`);
    });
    await rename(path.join(work, 'jars'), folder).catch((error) => {
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function pom(): string {
  const dependency = (group: string, artifact: string, version: string) =>
    `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`;
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>stream-processing</groupId><artifactId>kafka-jars</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    ${dependency('org.apache.kafka', 'kafka_2.13', KAFKA_VERSION)}
    ${dependency('org.apache.logging.log4j', 'log4j-slf4j-impl', LOG4J_VERSION)}
  </dependencies>
</project>
`;
}
