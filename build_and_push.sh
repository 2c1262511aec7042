#!/usr/bin/env bash
# Build both images for linux/amd64 and push them to ECR, where `launch.py train` and `deploy` then find them.
#
#   ./build_and_push.sh --region eu-west-1 --profile work
#   ./build_and_push.sh --only serve --gpu
#   ./build_and_push.sh --pretrained resnet50,vgg16 --dry-run
#
#   --region NAME, --profile NAME   as boto3 finds them when left out (AWS_REGION, AWS_PROFILE, ~/.aws/config)
#   --repository-prefix NAME        repositories NAME-train and NAME-serve, made when missing (byoc)
#   --only train|serve              one image alone
#   --pretrained NAMES              bake torchvision's ImageNet weights of these models into the training image
#   --gpu                           the serving image with torch and CUDA, as NAME-serve-gpu
#   --ca FILE                       certificates (PEM) of a company's proxy, trusted while building
#   --index FILE                    a file that holds a Python package index's address, credentials and all
#   --dry-run                       print the commands; ask AWS who you are and which repositories there are, no more
#
# Neither --ca's nor --index's file reaches an image: they are build secrets. HTTP_PROXY and the like are heeded.
# Variables: BYOC_DOCKER (the client: docker, podman, "sudo docker"), BYOC_STATE (folder of images.json, .sagemaker),
# BYOC_REGISTRY (HOST:PORT at which ECR's registry is reached where its own name is not, as through a tunnel),
# PYTHON (the launcher's interpreter, .venv/bin/python).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
region=() profile=() prefix=byoc only='' pretrained='' gpu='' ca='' index='' dry=''

fail() {
    echo "Error: $1" >&2
    exit "${2:-1}"
}

usage() { sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p;}' "${BASH_SOURCE[0]}"; }

# --name=value is --name value.
words=()
for word; do
    if [[ $word == --*=* ]]; then words+=("${word%%=*}" "${word#*=}"); else words+=("$word"); fi
done
set -- ${words[@]+"${words[@]}"}

while (($#)); do
    case $1 in
        --gpu) gpu=yes ;;
        --dry-run) dry=yes ;;
        -h | --help) usage && exit ;;
        --region | --profile | --repository-prefix | --only | --pretrained | --ca | --index)
            (($# > 1)) && [[ $2 != --* ]] || fail "$1 needs a value; --help shows which." 2
            case $1 in
                --region) region=(--region "$2") ;;
                --profile) profile=(--profile "$2") ;;
                --repository-prefix) prefix=$2 ;;
                --only) only=$2 ;;
                --pretrained) pretrained=$2 ;;
                --ca) ca=$2 ;;
                --index) index=$2 ;;
            esac
            shift
            ;;
        *) fail "'$1' is no option; --help lists them." 2 ;;
    esac
    shift
done
[[ -z $only || $only == train || $only == serve ]] || fail "--only is '$only'; it takes train or serve." 2
[[ $prefix =~ ^[a-z0-9]+([._/-][a-z0-9]+)*$ ]] ||
    fail "--repository-prefix is '$prefix'; ECR takes small letters, digits and single . _ - / between them." 2
[[ -z $pretrained || $only != serve ]] || fail "--pretrained is for the training image, which --only serve leaves out." 2
[[ -z $gpu || $only != train ]] || fail "--gpu is for the serving image, which --only train leaves out." 2
for file in "$ca" "$index"; do
    [[ -z $file || -s $file ]] || fail "The file $file is missing or empty; name the one that is meant." 2
done

python=${PYTHON:-$root/.venv/bin/python}
command -v "$python" >/dev/null || fail "The launcher's environment is missing ($python); run 'make install' first."
# The launcher says itself, in a sentence, why it could not.
registry() {
    local command=$1
    shift
    PYTHONPATH=$root "$python" -P -m launcher.cli.registry "$command" "$@"
}

run() {
    if [[ $dry ]]; then printf '%q' "$1" && printf ' %q' "${@:2}" && echo; else "$@" >&2; fi
}

# AWS first: without an account the long part is in vain.
named=$(registry host ${region[@]+"${region[@]}"} ${profile[@]+"${profile[@]}"})
host=${named% *}
account=(--region "${named#* }" ${profile[@]+"${profile[@]}"})
address=${BYOC_REGISTRY:-$host}

engine_words=$(registry engine ${dry:+--dry-run}) engine=()
while IFS= read -r word; do engine+=("$word"); done <<<"$engine_words"
client=$(basename "${engine[${#engine[@]} - 1]}")

# Where `docker build` is buildx it would push an index, or a manifest of the OCI's: SageMaker takes neither.
options=$("${engine[@]}" build --help 2>/dev/null || true)
plain=()
if [[ $client == podman ]]; then
    plain=(--format docker)
elif [[ $options == *--provenance* ]]; then
    plain=(--provenance=false --output type=docker)
fi
proxies=$(registry proxies)
for name in $proxies; do plain+=(--build-arg "$name"); done
[[ -z $ca ]] || plain+=(--secret "id=ca,src=$ca")
[[ -z $index ]] || plain+=(--secret "id=index,src=$index")

# A tag is a commit only when the image is made of it.
tag=$(git -C "$root" rev-parse --short=12 HEAD 2>/dev/null || true)
if [[ -z $tag || $(git -C "$root" status --porcelain -- container requirements 'Dockerfile.*') ]]; then
    tag=${tag:+$tag-}$(registry sources)
fi

roles=("${only:-train}")
[[ $only ]] || roles+=(serve)
kind() { if [[ $1 == serve && $gpu ]]; then echo serve-gpu; else echo "$1"; fi; }

for role in "${roles[@]}"; do
    arguments=()
    [[ $role != train || -z $pretrained ]] || arguments+=(--build-arg "PRETRAINED=$pretrained")
    [[ $role != serve || -z $gpu ]] || arguments+=(--build-arg ENGINE=gpu)
    image=$address/$prefix-$(kind "$role")
    DOCKER_BUILDKIT=1 BUILDKIT_PROGRESS=plain run "${engine[@]}" build --platform linux/amd64 \
        --file "$root/Dockerfile.$role" --tag "$image:$tag" --tag "$image:latest" \
        ${plain[@]+"${plain[@]}"} ${arguments[@]+"${arguments[@]}"} "$root" ||
        fail "The $role image was not built; the lines above say why." 4
    [[ $dry ]] || built=$("${engine[@]}" image inspect --format '{{.Os}}/{{.Architecture}}' "$image:$tag")
    [[ $dry || $built == linux/amd64 ]] ||
        fail "The $role image is for $built and SageMaker runs linux/amd64; remove the base image and pull it again." 4
done

# The login lies in a folder of its own and goes with it; the token stands on no command line.
login=$(mktemp -d)
trap 'rm -rf "$login"' EXIT
if [[ $client == podman ]]; then
    as=("${engine[@]}") authority=(--authfile "$login/config.json")
else
    as=("${engine[@]}" --config "$login") authority=()
fi
if [[ $dry ]]; then
    run "${as[@]}" login ${authority[@]+"${authority[@]}"} --username AWS --password-stdin "$address"
else
    registry settings "$login" "$address"
    password=$(registry password "${account[@]}")
    said=$("${as[@]}" login ${authority[@]+"${authority[@]}"} --username AWS --password-stdin "$address" \
        2>&1 <<<"$password") || fail "$address refused the login: $said" 8
fi

repositories=()
for role in "${roles[@]}"; do repositories+=("$prefix-$(kind "$role")"); done
registry ensure "${account[@]}" ${dry:+--dry-run} "${repositories[@]}"
for role in "${roles[@]}"; do
    repository=$prefix-$(kind "$role")
    for each in "$tag" latest; do
        run "${as[@]}" push ${authority[@]+"${authority[@]}"} "$address/$repository:$each" ||
            fail "$repository:$each was not pushed; the lines above say why, and the same command goes on from there." 8
    done
    [[ $dry ]] || registry record "${account[@]}" "$(kind "$role")" "$repository" "$tag" "$address"
done
[[ $dry ]] || echo "launch.py train, tune and deploy use these images in ${account[1]} unless --image says otherwise." >&2
