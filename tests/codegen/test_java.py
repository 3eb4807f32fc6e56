"""Avro's own Maven plugin makes Java classes of the newest version of all schemas together, and they compile."""

import subprocess
from pathlib import Path
from typing import Final

import pytest

import schemas

_AVRO: Final = "1.12.0"
_POM: Final = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>kaufland.connector</groupId>
  <artifactId>generated</artifactId>
  <version>1</version>
  <properties>
    <maven.compiler.source>17</maven.compiler.source>
    <maven.compiler.target>17</maven.compiler.target>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
  </properties>
  <dependencies>
    <dependency><groupId>org.apache.avro</groupId><artifactId>avro</artifactId><version>{avro}</version></dependency>
  </dependencies>
  <build>
    <plugins>
      <plugin>
        <groupId>org.apache.avro</groupId>
        <artifactId>avro-maven-plugin</artifactId>
        <version>{avro}</version>
        <configuration>
          <sourceDirectory>${{project.basedir}}/schemas</sourceDirectory>
          <stringType>String</stringType>
          <enableDecimalLogicalType>true</enableDecimalLogicalType>
        </configuration>
        <executions>
{executions}
        </executions>
      </plugin>
    </plugins>
  </build>
</project>
"""
_EXECUTION: Final = """\
          <execution>
            <id>{name}</id>
            <phase>generate-sources</phase>
            <goals><goal>schema</goal></goals>
            <configuration><includes><include>{name}.avsc</include></includes></configuration>
          </execution>"""


@pytest.mark.slow
def test_java_classes_of_all_newest_schemas_compile(tmp_path: Path) -> None:
    """An execution for each file: one parser refuses a type that several files define, equal or not."""
    (tmp_path / "schemas").mkdir()
    for name in schemas.NAMES:
        (tmp_path / "schemas" / f"{name}.avsc").write_text(schemas.text(name, schemas.newest(name)), "utf-8")
    executions = "\n".join(_EXECUTION.format(name=name) for name in schemas.NAMES)
    (tmp_path / "pom.xml").write_text(_POM.format(avro=_AVRO, executions=executions), "utf-8")

    done = subprocess.run(("mvn", "-q", "-B", "compile"), cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    classes = tmp_path / "target" / "classes" / "kaufland" / "connector"
    records = {"".join(word.capitalize() for word in name.split("_")) for name in schemas.NAMES}
    assert records <= {file.stem for file in classes.glob("*.class")}
