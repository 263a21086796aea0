"""Plans as machine code: what each step becomes in LLVM, the kernels, the call."""
