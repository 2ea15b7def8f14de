import Testing

@testable import Tasks

@Suite struct KernelRunTests {
  private func run(_ variables: [String: String], _ more: [String] = []) throws -> [String] {
    try KernelRun(Variables(variables)).arguments(more)
  }

  /// What follows an argument.
  private func value(_ name: String, _ arguments: [String]) -> String? {
    arguments.firstIndex(of: name).map { arguments[$0 + 1] }
  }

  @Test func aMachineIsAsLargeAsIsAsked() throws {
    let usual = try run([:])
    #expect(value("-m", usual) == "4096" && value("-smp", usual) == "1" && value("-cpu", usual) == "max")
    #expect(value("-append", usual) == "levels=4 " && value("-initrd", usual) == KernelRun.usualTrace)
    let asked = try run([
      "MEMORY": "96", "CPUS": "3", "CPU": "qemu64", "LEVELS": "5", "OPTIONS": "laps=2", "TRACE": "t",
    ])
    #expect(value("-m", asked) == "96" && value("-smp", asked) == "3" && value("-cpu", asked) == "qemu64")
    #expect(value("-append", asked) == "levels=5 laps=2" && value("-initrd", asked) == "t")
  }

  @Test func eachArchitectureHasItsBoard() throws {
    #expect(try value("-device", run([:])) == "isa-debug-exit,iobase=0xf4,iosize=4")
    let arm = ["ARCH": "aarch64", "GRANULE": "64K", "LEVELS": "5"]
    #expect(try value("-append", run(arm)) == "granule=64K ")
    #expect(try value("-kernel", run(arm))?.hasSuffix("/aarch64-none-none-elf/release/Kernel.img") == true)
    #expect(try value("-cpu", run(arm)) == "max" && run(arm).contains("-semihosting"))
    let riscv = try run(["ARCH": "riscv64", "LEVELS": "3"])
    #expect(value("-cpu", riscv) == "rv64" && value("-machine", riscv) == "virt")
    #expect(value("-append", riscv) == "levels=3 ")
  }

  @Test(arguments: [("1", "", "2"), ("8", "", "2"), ("9", "", "3"), ("2", "3", "3")])
  func theInterruptControllerServesAllCPUs(cpus: String, asked: String, version: String) throws {
    let arguments = try run(["ARCH": "aarch64", "CPUS": cpus, "GIC": asked])
    #expect(value("-machine", arguments)?.hasSuffix("gic-version=\(version)") == true)
  }

  @Test func theEmulatorsOwnArgumentsComeLast() throws {
    #expect(try run([:], ["-icount", "shift=0"]).suffix(2) == ["-icount", "shift=0"])
  }

  @Test func onlyTheKernelsOwnSuccessIsOne() throws {
    #expect(try KernelRun.status(ofEmulator: 33) == 0)
    #expect(try KernelRun.status(ofEmulator: 41) == 41 && KernelRun.status(ofEmulator: 1) == 1)
    #expect(throws: Failure("kernel: the machine was reset (a triple fault?)")) {
      try KernelRun.status(ofEmulator: 0)
    }
  }

  @Test func aKernelHasAPlaceOfItsOwn() throws {
    let images = try ["", "aarch64", "riscv64"].flatMap { architecture in
      try [["VMALLOC_CONFIGURATION": "debug"], ["VMALLOC_CONTENTION": "1"], [:]].map { asked in
        try Kernel(Variables(asked).with(["ARCH": architecture]))
      }
    }
    #expect(Set(images.map(\.image)).count == 9)
    #expect(
      images[1].image.hasSuffix("/Kernel/.build-kernel-contention/x86_64-unknown-none-elf/release/Kernel"))
    #expect(
      images.map(\.variable).filter { !$0.contains("DEBUG") } == [
        "VMALLOC_KERNEL", "VMALLOC_KERNEL", "VMALLOC_AARCH64_KERNEL", "VMALLOC_AARCH64_KERNEL",
        "VMALLOC_RISCV64_KERNEL", "VMALLOC_RISCV64_KERNEL",
      ])
    #expect(images[3].variable == "VMALLOC_AARCH64_DEBUG_KERNEL")
    #expect(throws: Failure("kernel: ARCH is x86_64, aarch64 or riscv64, not \"vax\"", status: 2)) {
      try Kernel(Variables(["ARCH": "vax"]))
    }
  }
}
