"""What X-volution takes beside convolution and attention in one stage, as a pandas table.

python examples/forms_of_a_stage.py
"""

import hwsim


def main() -> None:
    """Print cycles, MACs and DRAM bytes of every form, relative to the plain convolution."""
    machine = hwsim.with_vector_unit(hwsim.preset("scalesim-default"), lanes=32)
    frame = hwsim.to_pandas(hwsim.compare_forms("resnet50", "conv4_x", machine))
    sums = frame.groupby("key", sort=False)[["cycles", "macs", "dram_bytes"]].sum()
    print(f"conv4_x of ResNet-50 on {machine.title}, relative to the plain convolution:")
    print((sums / sums.loc["convolution"]).round(2).to_string())


if __name__ == "__main__":
    main()
