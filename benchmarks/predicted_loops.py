"""What LLVM's models of processors predict for the innermost loop of the first pass: nothing is run, nothing measured.

    python benchmarks/predicted_loops.py --llvm-mca llvm-mca-19

Every loop is compiled for a processor, its innermost part cut out of the assembly, and given to llvm-mca (Debian's
package llvm-19 or later). Printed are its registers spilt to the stack, cycles of one turn, and multiply-adds a cycle.
A model may be wrong: compare the line of a processor that the loop was timed on.
"""

from __future__ import annotations

import argparse
import re
import subprocess

import llvmlite.binding as llvm

from conceptmap.topk.loops.kernels import AVX2, AVX_VNNI, ROWS_PER_TILE, VNNI, Target, source

TURNS = 300
WHERE = (
    (AVX2, ("znver3", "znver4", "alderlake", "icelake-server", "sapphirerapids")),
    (AVX_VNNI, ("alderlake", "arrowlake")),
    (VNNI, ("cascadelake", "icelake-server", "sapphirerapids", "znver4")),
)


def innermost(target: Target, processor: str) -> str:
    """The assembly from the label before the first product to the jump back to it."""
    machine = llvm.Target.from_default_triple().create_target_machine(cpu=processor, opt=3)
    lines = machine.emit_assembly(llvm.parse_assembly(source(target))).split("\nscan:")[1].split("\n")
    product = next(i for i, line in enumerate(lines) if re.search("vpdpbusd|vpmaddubsw", line))
    start = max(i for i in range(product) if lines[i].startswith(".LBB"))
    stop = next(i for i in range(product, len(lines)) if re.search(r"\tj\w+\s+\.LBB", lines[i]))
    return "\n".join([*lines[start : stop + 1], ""])


def main() -> None:
    """A line for each loop and processor."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llvm-mca", default="llvm-mca")
    given = parser.parse_args()
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    print("| loop | processor's model | spilt | cycles a turn | multiply-adds a cycle |\n|---|---|---|---|---|")
    for target, processors in WHERE:
        for processor in processors:
            text = innermost(target, processor)
            command = [given.llvm_mca, f"-mcpu={processor}", f"-iterations={TURNS}"]
            told = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
            found = re.search(r"Total Cycles:\s+(\d+)", told)
            cycles = int(found[1]) / TURNS if found else float("nan")
            products = 4 * target.queries * target.tiles * ROWS_PER_TILE
            spilt = len(re.findall(r"\(%rsp\)|\(%rbp\)", text))
            print(f"| {target.name} | {processor} | {spilt} | {cycles:.2f} | {products / cycles:.1f} |")


if __name__ == "__main__":
    main()
