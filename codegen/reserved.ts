// Words that no generated name may be, by language: keywords, reserved words, and the names that our own output and the
// languages' libraries use. One list for all targets, so that a tensor has the same name in each of them.

const split = (words: string): readonly string[] => words.trim().split(/\s+/);

const wgslWords = split(`
  alias break case const const_assert continue continuing default diagnostic discard else enable false fn for if let loop
  override requires return struct switch true var while
  NULL Self abstract active alignas alignof as asm asm_fragment async attribute auto await become binding_array cast catch
  class co_await co_return co_yield coherent column_major common compile compile_fragment concept const_cast consteval
  constexpr constinit crate debugger decltype delete demote demote_to_helper do dynamic_cast enum explicit export extends
  extern external fallthrough filter final finally friend from fxgroup get goto groupshared highp impl implements import
  inline instanceof interface layout lowp macro macro_rules match mediump meta mod module move mut mutable namespace new
  nil noexcept noinline nointerpolation non_coherent noncoherent noperspective null nullptr of operator package packoffset
  partition pass patch pixelfragment precise precision premerge priv protected pub public readonly ref regardless register
  reinterpret_cast require resource restrict self set shared sizeof smooth snorm static static_assert static_cast std
  subroutine super target template this thread_local throw trait try type typedef typeid typename typeof union unless
  unorm unsafe unsized use using varying virtual volatile wgsl where with writeonly yield
  array atomic bool f16 f32 i32 mat2x2 mat2x2f mat2x2h mat2x3 mat2x3f mat2x3h mat2x4 mat2x4f mat2x4h mat3x2 mat3x2f mat3x2h
  mat3x3 mat3x3f mat3x3h mat3x4 mat3x4f mat3x4h mat4x2 mat4x2f mat4x2h mat4x3 mat4x3f mat4x3h mat4x4 mat4x4f mat4x4h ptr
  sampler sampler_comparison texture_1d texture_2d texture_3d texture_cube u32 u64 vec2 vec2f vec2h vec2i vec2u vec3 vec3f
  vec3h vec3i vec3u vec4 vec4f vec4h vec4i vec4u function private workgroup uniform storage read write read_write
  bitcast all any select arrayLength abs acos acosh asin asinh atan atanh atan2 ceil clamp cos cosh countLeadingZeros
  countOneBits countTrailingZeros cross degrees determinant distance dot dot4U8Packed dot4I8Packed exp exp2 extractBits
  faceForward firstLeadingBit firstTrailingBit floor fma fract frexp insertBits inverseSqrt ldexp length log log2 max min
  mix modf normalize pow quantizeToF16 radians reflect refract reverseBits round saturate sign sin sinh smoothstep sqrt
  step tan tanh transpose trunc dpdx dpdy fwidth textureLoad textureStore storageBarrier workgroupBarrier
  workgroupUniformLoad subgroupAdd subgroupMax subgroupMin subgroupBallot subgroupBroadcast subgroupShuffle
  pack4x8snorm pack2x16float unpack2x16float subgroups`);

const cudaWords = split(`
  and and_eq bitand bitor compl not not_eq or or_eq xor xor_eq char char8_t char16_t char32_t double float int long short
  signed unsigned void wchar_t size_t bool true false if else for while do switch case default break continue goto return
  struct union enum class public private protected virtual typename operator sizeof new delete static extern const
  int2 int3 int4 float2 float3 float4 uint2 uint3 uint4 dim3 threadIdx blockIdx blockDim gridDim warpSize half half2
  nv_bfloat16 assert printf malloc free main errno y0 y1 yn j0 j1 jn erf erfc erff expm1 expm1f log1p log1pf log10 cbrt
  hypot lgamma tgamma sinf cosf tanf expf logf sqrtf powf fabs fabsf fmax fmin fmaxf fminf fmod remainder rint rintf
  floorf ceilf roundf signbit isnan isinf isfinite rsqrt rsqrtf sincos sincosf sinpi cospi norm div ldiv NULL INFINITY NAN I
  unix linux alloca assert_perror be16toh be32toh be64toh htobe16 htobe32 htobe64 htole16 htole32 htole64 le16toh le32toh
  le64toh isalnum_l isalpha_l isascii isascii_l isblank_l iscntrl_l isdigit_l isgraph_l islower_l isprint_l ispunct_l
  isspace_l issubnormal isupper_l isxdigit_l math_errhandling offsetof stderr stdin stdout strdupa strndupa toascii toascii_l
  BIG_ENDIAN BUFSIZ BYTE_ORDER EOF LITTLE_ENDIAN MAXFLOAT NFDBITS NZERO P_tmpdir PDP_ENDIAN PIPE_BUF L_ctermid L_cuserid
  L_tmpnam CLOCKS_PER_SEC TIME_UTC WCONTINUED WEXITED WEXITSTATUS WIFCONTINUED WIFEXITED WIFSIGNALED WIFSTOPPED WNOHANG
  WNOWAIT WSTOPPED WSTOPSIG WTERMSIG WUNTRACED
  bf16 index_t Extent widen widen_pair narrow narrow_pair least greatest magnitude load_2 load_4 load_8 store_2 store_4
  store_8 warp_add warp_max warp_min wrapping_add wrapping_subtract wrapping_multiply wrapping_negate wrapping_shift_left`);

/** Families of macros in the headers that nvcc includes. */
export const macroForm =
  /^(cuda[A-Z]|(CU|CUDA|CUDART|ADJ|CLOCK|CLONE|EXIT|F|FD|FP|HUGE|M|MATH|MB|MOD|NL|PTHREAD|RAND|RENAME|SCHED|SEEK|SNAN|STA|TIMER)_|CUDARTAPI|PEGEN_|SNAN|[A-Z_]+_(MAX|MIN|WIDTH|BIT|CANON|INPUT)$)/;

/** C's functions, which a CUDA kernel cannot be called; within a kernel they are names like others. */
export const libraryFunctions: ReadonlySet<string> = new Set(
  split(`
    abort abs acos acosh asin asinh atan atan2 atanh atexit bsearch calloc canonicalize cbrt clock clock64 copysign cos cosh
    cospi ctime current difftime drem ecvt erfinv exit exp exp10 exp2 expint fadd fcvt fdim fdiv fdivide feof ferror ffma ffs
    finite fma fmul frexp fromfp fsqrt fsub gamma gcvt getchar getenv getw hermite hyperg hypot ilogb index initstate j0 j1 jn
    labs laguerre ldexp legendre lgamma log log10 log2 logb lrint lround memcpy memmove memset mismatch modf nan nearbyint
    nextafter normcdf normf pow pow10 putchar puts putw qsort rand random rcbrt realloc remove remquo rename rewind rhypot
    rindex rnorm round roundeven scalb scalbln scalbn select setstate signal significand sin sinh sinhf sqrt srand srandom
    strcat strchr strlen swab system tan tanh tanhf tempnam tgamma time tmpfile trunc tzset umax umin y0 y1 yn`),
);

const scriptWords = split(`
  arguments as async await break case catch class const constructor continue debugger default delete do else enum eval
  export extends false finally for from function get if implements import in instanceof interface let module new null of
  package private protected prototype public return satisfies set static super switch symbol this throw true try type
  typeof undefined unknown any never object string number boolean bigint var void while with yield then toString valueOf
  hasOwnProperty isPrototypeOf propertyIsEnumerable toLocaleString toJSON NaN Infinity Math Number Object Array String
  Boolean Symbol Map Set Float32Array Float64Array Int32Array Uint8Array Uint32Array ArrayBuffer Promise JSON Error
  globalThis window self process require global console declare abstract namespace readonly keyof infer is asserts accessor
  defer using out override`);

/** Python's words: the PyTorch target comes later, its names must be the same. */
const pythonWords = split(`
  False None True and as assert async await break class continue def del elif else except exec finally for from global if
  import in is lambda nonlocal not or pass print raise return try while with yield torch math`);

/** Names that the printers and the generated module use themselves. */
const ownWords = split(`
  sizes Sizes group lane group_id group_count lane_id subgroup_size subgroup_lane subgroup_size_id subgroup_lane_id
  tape Tape buffers Buffers Buffer Kernel Learned Entry Module learned kernels entries tables`);

export const reserved: Readonly<Record<'wgsl' | 'cuda' | 'script' | 'python' | 'own', ReadonlySet<string>>> = {
  wgsl: new Set(wgslWords),
  cuda: new Set(cudaWords),
  script: new Set(scriptWords),
  python: new Set(pythonWords),
  own: new Set(ownWords),
};
